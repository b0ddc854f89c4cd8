import { useQuery } from '@tanstack/react-query';
import { KeyRound, Trash2 } from 'lucide-react';
import { useState } from 'react';
import type { FormEvent } from 'react';
import { fieldError, useChange } from '../../data/changes.ts';
import { api } from '../../data/client.ts';
import { scoped } from '../../data/queries.ts';
import type { Schemas } from '../../data/queries.ts';
import { Button } from '../../ui/button.tsx';
import { Confirm, Dialog } from '../../ui/dialog.tsx';
import { TextField } from '../../ui/fields.tsx';
import { Empty, ErrorNote } from '../../ui/notes.tsx';
import { Section } from '../../ui/page.tsx';
import { Table } from '../../ui/table.tsx';
import { Ago } from '../../ui/time.tsx';
import { sessionRoute } from './session-queries.ts';
import { TabPage } from './tab-page.tsx';

const REFRESH_MS = 5_000;

export function Storage() {
  const { sessionId } = sessionRoute.useParams();
  const params = { path: { id: sessionId } };
  const keys = useQuery({
    queryKey: scoped('session-storage', sessionId, 'keys'),
    queryFn: () => api.get('/v1/sessions/{id}/storage/keys', { params }),
    refetchInterval: REFRESH_MS,
  });
  const secrets = useQuery({
    queryKey: scoped('session-storage', sessionId, 'secrets'),
    queryFn: () => api.get('/v1/sessions/{id}/storage/secrets', { params }),
    refetchInterval: REFRESH_MS,
  });
  const retry = (): unknown => Promise.all([keys.refetch(), secrets.refetch()]);
  return (
    <TabPage label="Storage" error={keys.error ?? secrets.error} isLoading={keys.isPending || secrets.isPending} retry={retry}>
      <Section title="Keys" about="What the agent keeps under a name.">
        {keys.data?.data.length === 0 ? (
          <Empty title="Nothing is kept">An agent with the capability “session_storage” keeps values here from one turn to the next.</Empty>
        ) : (
          <Table label="Keys" rows={keys.data?.data ?? []} rowKey={({ key }) => key} columns={KEY_COLUMNS} />
        )}
      </Section>
      <Secrets sessionId={sessionId} secrets={secrets.data?.data ?? []} />
    </TabPage>
  );
}

const KEY_COLUMNS = [
  { title: 'Key', cell: ({ key }: Schemas['StoredPair']) => <code className="font-mono text-[13px]">{key}</code> },
  {
    title: 'Value',
    cell: ({ value }: Schemas['StoredPair']) => <span className="line-clamp-3 max-w-md font-mono text-[13px] break-all">{value}</span>,
  },
  { title: 'Changed', cell: ({ updated_at }: Schemas['StoredPair']) => <Ago at={updated_at} />, wide: true },
] as const;

function Secrets({ sessionId, secrets }: { sessionId: string; secrets: Schemas['StoredSecret'][] }) {
  const [isOpen, setOpen] = useState(false);
  const remove = useChange(
    (name: string) => api.delete('/v1/sessions/{id}/storage/secrets/{name}', { params: { path: { id: sessionId, name } } }),
    'session-storage',
  );
  const columns = [
    { title: 'Name', cell: ({ name }: Schemas['StoredSecret']) => <code className="font-mono text-[13px]">{name}</code> },
    { title: 'Changed', cell: ({ updated_at }: Schemas['StoredSecret']) => <Ago at={updated_at} />, wide: true },
    {
      title: '',
      align: 'right' as const,
      cell: ({ name }: Schemas['StoredSecret']) => (
        <Confirm
          title={`Delete the secret ${name}?`}
          verb="Delete secret"
          act={() => remove.mutateAsync(name).catch(() => undefined)}
          trigger={(ask) => (
            <Button kind="quiet" square aria-label={`Delete ${name}`} onClick={ask} icon={<Trash2 aria-hidden className="size-4" />} />
          )}
        >
          Tools that ask for it will not find it. Its value cannot be brought back.
        </Confirm>
      ),
    },
  ];
  return (
    <Section
      title="Secrets"
      about="Values that tools of this session may use. They are stored encrypted, and nobody is shown them again."
      actions={<Button onClick={() => setOpen(true)}>Set a secret</Button>}
    >
      {remove.error !== null && <ErrorNote error={remove.error} />}
      {secrets.length === 0 ? (
        <Empty icon={<KeyRound className="size-8" />} title="No secret yet">
          Set one, such as a key for a service that the agent’s tools call.
        </Empty>
      ) : (
        <Table label="Secrets" rows={secrets} rowKey={({ name }) => name} columns={columns} />
      )}
      <Dialog title="Set a secret" open={isOpen} onClose={() => setOpen(false)}>
        <SecretForm sessionId={sessionId} onDone={() => setOpen(false)} />
      </Dialog>
    </Section>
  );
}

function SecretForm({ sessionId, onDone }: { sessionId: string; onDone: () => void }) {
  const [name, setName] = useState('');
  const [value, setValue] = useState('');
  const set = useChange(
    () =>
      api.put('/v1/sessions/{id}/storage/secrets', { params: { path: { id: sessionId } }, body: { secrets: { [name.trim()]: value } } }),
    'session-storage',
  );
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    set.mutate(undefined, { onSuccess: onDone });
  };
  const wrong = fieldError(set.error, 'secrets');
  return (
    <form onSubmit={submit} className="flex flex-col gap-4">
      <TextField
        label="Name"
        hint="A secret of this name is replaced."
        error={wrong}
        value={name}
        required
        autoComplete="off"
        spellCheck={false}
        onChange={(event) => setName(event.target.value)}
      />
      <TextField
        label="Value"
        type="password"
        autoComplete="new-password"
        value={value}
        required
        onChange={(event) => setValue(event.target.value)}
      />
      {set.error !== null && wrong === undefined && <ErrorNote error={set.error} />}
      <div className="flex justify-end gap-2">
        <Button onClick={onDone}>Close</Button>
        <Button kind="primary" type="submit" disabled={set.isPending}>
          Set secret
        </Button>
      </div>
    </form>
  );
}
