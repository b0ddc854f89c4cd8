import { useQuery } from '@tanstack/react-query';
import { Plus } from 'lucide-react';
import { useState } from 'react';
import { useMembership, usePermission } from '../../data/access.ts';
import { fieldError, useChange } from '../../data/changes.ts';
import { api } from '../../data/client.ts';
import { scoped } from '../../data/queries.ts';
import type { Schemas } from '../../data/queries.ts';
import { Button } from '../../ui/button.tsx';
import { Confirm, Dialog } from '../../ui/dialog.tsx';
import { SelectField, TextField } from '../../ui/fields.tsx';
import { ErrorNote, Skeleton } from '../../ui/notes.tsx';
import { Section } from '../../ui/page.tsx';
import { Table } from '../../ui/table.tsx';
import { Ago } from '../../ui/time.tsx';
import { grantable, roleText } from './roles.ts';
import type { Role } from './roles.ts';
import { TokenForm } from './token-form.tsx';
import { TokenTable } from './token-table.tsx';

type Account = Schemas['ServiceAccount'];

interface ServiceAccountsProps {
  shown: string | undefined;
  onShow: (id: string | undefined) => void;
}

/** Users that are programs. */
export function ServiceAccounts({ shown, onShow }: ServiceAccountsProps) {
  const mayManage = usePermission('org:api-keys:manage');
  const [isNew, setNew] = useState(false);
  const { data, error, refetch } = useQuery({
    queryKey: scoped('service-accounts', 'list'),
    queryFn: async () => (await api.get('/v1/service-accounts')).data,
  });
  const account = data?.find(({ id }) => id === shown);
  return (
    <Section
      title="Service accounts"
      about="Users of this organization that are programs. They stay when people leave."
      actions={
        mayManage && (
          <Button icon={<Plus aria-hidden className="size-4" />} onClick={() => setNew(true)}>
            New service account
          </Button>
        )
      }
    >
      {error !== null && <ErrorNote error={error} retry={() => void refetch()} />}
      {data === undefined && error === null && <Skeleton rows={1} />}
      {data?.length === 0 && <p className="text-sm text-ink-faint">There is none. Make one for what runs without a person.</p>}
      {data !== undefined && data.length > 0 && (
        <Table label="Service accounts" rows={data} rowKey={({ id }) => id} columns={columns(onShow)} />
      )}
      <Dialog title="New service account" open={isNew} onClose={() => setNew(false)}>
        <AccountForm
          onDone={(id) => {
            setNew(false);
            if (id !== undefined) onShow(id);
          }}
        />
      </Dialog>
      <Dialog title={account?.name ?? ''} open={account !== undefined} onClose={() => onShow(undefined)}>
        {account !== undefined && <AccountTokens account={account} mayManage={mayManage} onGone={() => onShow(undefined)} />}
      </Dialog>
    </Section>
  );
}

function columns(onShow: (id: string) => void) {
  return [
    {
      title: 'Name',
      cell: ({ id, name, description }: Account) => (
        <div className="min-w-28">
          <button type="button" onClick={() => onShow(id)} className="cursor-pointer text-left font-medium break-words hover:underline">
            {name}
          </button>
          {description !== undefined && <p className="text-[13px] break-words text-ink-soft">{description}</p>}
        </div>
      ),
    },
    { title: 'Role', cell: ({ role }: Account) => roleText(role) },
    {
      title: 'Last used',
      wide: true,
      cell: ({ last_used_at: at }: Account) => (at === undefined ? <span className="text-ink-faint">never</span> : <Ago at={at} />),
    },
    {
      title: '',
      align: 'right' as const,
      cell: ({ id, name, token_count: count }: Account) => (
        <Button onClick={() => onShow(id)}>
          {count} {count === 1 ? 'token' : 'tokens'}
          <span className="sr-only"> of {name}</span>
        </Button>
      ),
    },
  ];
}

function AccountForm({ onDone }: { onDone: (id?: string) => void }) {
  const own = useMembership()?.role;
  const [name, setName] = useState('');
  const [description, setDescription] = useState('');
  const [role, setRole] = useState<Role>('member');
  const create = useChange(
    async () =>
      api.post('/v1/service-accounts', {
        body: { name: name.trim(), role, ...(description.trim() !== '' && { description: description.trim() }) },
      }),
    'service-accounts',
  );
  const problem = fieldError(create.error, 'name');
  return (
    <form
      className="flex flex-col gap-4"
      onSubmit={(event) => {
        event.preventDefault();
        create.mutate(undefined, { onSuccess: ({ id }) => onDone(id) });
      }}
    >
      <TextField label="Name" required maxLength={100} value={name} error={problem} onChange={({ target }) => setName(target.value)} />
      <TextField label="What it is for" maxLength={500} value={description} onChange={({ target }) => setDescription(target.value)} />
      <SelectField label="Role" value={role} choices={grantable(own)} onChange={({ target }) => setRole(target.value as Role)} />
      {create.error !== null && problem === undefined && <ErrorNote error={create.error} />}
      <div className="flex justify-end gap-2">
        <Button onClick={() => onDone()}>Cancel</Button>
        <Button type="submit" kind="primary" disabled={create.isPending}>
          Create service account
        </Button>
      </div>
    </form>
  );
}

function AccountTokens({ account, mayManage, onGone }: { account: Account; mayManage: boolean; onGone: () => void }) {
  const { id, name, token_count: count } = account;
  const path = { id };
  const [isNew, setNew] = useState(false);
  const { data, error, refetch } = useQuery({
    queryKey: scoped('service-accounts', id, 'tokens'),
    queryFn: async () => (await api.get('/v1/service-accounts/{id}/tokens', { params: { path } })).data,
  });
  const remove = useChange(
    async (token_id: string) => api.delete('/v1/service-accounts/{id}/tokens/{token_id}', { params: { path: { id, token_id } } }),
    'service-accounts',
  );
  const end = useChange(async () => {
    await api.delete('/v1/service-accounts/{id}', { params: { path } });
    onGone();
  }, 'service-accounts');
  if (isNew) {
    const create = (body: { name: string; scopes: string[] }) => api.post('/v1/service-accounts/{id}/tokens', { params: { path }, body });
    return <TokenForm create={create} hasReach={false} onDone={() => setNew(false)} />;
  }
  const problem = error ?? remove.error ?? end.error;
  return (
    <div className="flex flex-col gap-4">
      {problem !== null && <ErrorNote error={problem} retry={() => void refetch()} />}
      {data === undefined && error === null && <Skeleton rows={Math.max(1, count)} />}
      {data?.length === 0 && <p className="text-sm text-ink-soft">It has no token yet, so nothing can sign in as it.</p>}
      {data !== undefined && data.length > 0 && (
        <TokenTable label={`Tokens of ${name}`} tokens={data} remove={mayManage ? remove.mutate : null} isNarrow />
      )}
      {mayManage && (
        <div className="flex flex-wrap justify-between gap-2">
          <Confirm
            title={`Delete ${name}?`}
            verb="Delete"
            act={() => end.mutate()}
            trigger={(ask) => (
              <Button kind="danger" onClick={ask}>
                Delete service account
              </Button>
            )}
          >
            Its tokens end at once.
          </Confirm>
          <Button kind="primary" icon={<Plus aria-hidden className="size-4" />} onClick={() => setNew(true)}>
            New token
          </Button>
        </div>
      )}
    </div>
  );
}
