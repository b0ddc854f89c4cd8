import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { KeyRound, Plus } from 'lucide-react';
import { usePermission } from '../../data/access.ts';
import { useChange } from '../../data/changes.ts';
import { api } from '../../data/client.ts';
import { scoped } from '../../data/queries.ts';
import type { Schemas } from '../../data/queries.ts';
import { Button } from '../../ui/button.tsx';
import { Confirm, Dialog } from '../../ui/dialog.tsx';
import { Empty, ErrorNote, Skeleton } from '../../ui/notes.tsx';
import { Page, Section } from '../../ui/page.tsx';
import { Table } from '../../ui/table.tsx';
import { Ago } from '../../ui/time.tsx';
import { ServiceAccounts } from './service-accounts.tsx';
import { TokenForm } from './token-form.tsx';
import { TokenTable } from './token-table.tsx';

const route = getRouteApi('/settings/tokens');

export function Tokens() {
  const { new: isNew, account } = route.useSearch();
  const navigate = route.useNavigate();
  const seesAccounts = usePermission('org:api-keys:view');
  const open = (isOpen: boolean): void => void navigate({ search: isOpen ? { new: true } : {}, replace: true });
  return (
    <Page
      title="Tokens"
      about="What programs sign in with. A token can do at most what its owner may do."
      actions={
        <Button kind="primary" icon={<Plus aria-hidden className="size-4" />} onClick={() => open(true)}>
          New token
        </Button>
      }
    >
      <OwnTokens />
      {seesAccounts && (
        <ServiceAccounts
          shown={account}
          onShow={(id) => void navigate({ search: id === undefined ? {} : { account: id }, replace: true })}
        />
      )}
      <AuthorizedApps />
      <Dialog title="New token" open={isNew === true} onClose={() => open(false)}>
        <TokenForm create={(body) => api.post('/v1/auth/personal-access-tokens', { body })} hasReach onDone={() => open(false)} />
      </Dialog>
    </Page>
  );
}

function OwnTokens() {
  const { data, error, refetch } = useQuery({
    queryKey: scoped('tokens', 'own'),
    queryFn: async () => (await api.get('/v1/auth/personal-access-tokens')).data,
  });
  const remove = useChange(
    async (id: string) => api.delete('/v1/auth/personal-access-tokens/{id}', { params: { path: { id } } }),
    'tokens',
  );
  const problem = error ?? remove.error;
  return (
    <Section title="Your tokens" about="For the command line, scripts and anything else that acts as you.">
      {problem !== null && <ErrorNote error={problem} retry={() => void refetch()} />}
      {data === undefined && error === null && <Skeleton rows={2} />}
      {data?.length === 0 && (
        <Empty icon={<KeyRound aria-hidden className="size-8" />} title="No token yet">
          Send one as “Authorization: Bearer …” with requests to the API. “everruns login” makes one by itself.
        </Empty>
      )}
      {data !== undefined && data.length > 0 && <TokenTable label="Your tokens" tokens={data} remove={remove.mutate} />}
    </Section>
  );
}

type App = Schemas['AuthorizedApp'];

function AuthorizedApps() {
  const { data, error, refetch } = useQuery({
    queryKey: scoped('tokens', 'apps'),
    queryFn: async () => (await api.get('/v1/auth/authorized-apps')).data,
  });
  const revoke = useChange(async (id: string) => api.delete('/v1/auth/authorized-apps/{id}', { params: { path: { id } } }), 'tokens');
  const problem = error ?? revoke.error;
  const columns = [
    {
      title: 'App',
      cell: ({ name, redirect_uris: addresses }: App) => (
        <div className="min-w-28">
          <p className="font-medium break-words">{name}</p>
          <p className="text-[13px] break-all text-ink-soft">{hostsOf(addresses)}</p>
        </div>
      ),
    },
    { title: 'Let in', wide: true, cell: ({ created_at }: App) => <Ago at={created_at} /> },
    {
      title: 'Last used',
      wide: true,
      cell: ({ last_used_at: at }: App) => (at === undefined ? <span className="text-ink-faint">never</span> : <Ago at={at} />),
    },
    {
      title: '',
      align: 'right' as const,
      cell: ({ id, name }: App) => (
        <Confirm
          title={`Sign ${name} out?`}
          verb="Sign out"
          keep="Not now"
          act={() => revoke.mutate(id)}
          trigger={(ask) => (
            <Button kind="danger" aria-label={`Sign ${name} out`} onClick={ask}>
              Sign out
            </Button>
          )}
        >
          Its access ends at once. It may ask you again.
        </Confirm>
      ),
    },
  ];
  return (
    <Section title="Apps" about="Programs that you let in to act as you, such as assistants that use the MCP endpoint.">
      {problem !== null && <ErrorNote error={problem} retry={() => void refetch()} />}
      {data === undefined && error === null && <Skeleton rows={1} />}
      {data?.length === 0 && <p className="text-sm text-ink-faint">You have let no app in.</p>}
      {data !== undefined && data.length > 0 && <Table label="Apps" rows={data} rowKey={({ id }) => id} columns={columns} />}
    </Section>
  );
}

/** The name is what the app says of itself; where it is sent back to is not. */
function hostsOf(addresses: readonly string[]): string {
  return [...new Set(addresses.map((address) => (URL.canParse(address) ? new URL(address).host || address : address)))].join(', ');
}
