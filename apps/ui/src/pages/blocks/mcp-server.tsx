import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useChange, useMay } from '../../data/changes.ts';
import { api } from '../../data/client.ts';
import { scoped } from '../../data/queries.ts';
import type { Schemas } from '../../data/queries.ts';
import { Button } from '../../ui/button.tsx';
import { Empty, ErrorNote, Skeleton } from '../../ui/notes.tsx';
import { Card, Page, Section } from '../../ui/page.tsx';
import { BlockState } from './block-list.tsx';
import { LifeActions } from './life-actions.tsx';
import { McpForm } from './mcp-form.tsx';

type Server = Schemas['McpServer'];
const route = getRouteApi('/mcp-servers/$id');

export function McpServerPage() {
  const { id } = route.useParams();
  const { data, error, refetch } = useQuery({
    queryKey: scoped('mcp-servers', 'one', id),
    queryFn: () => api.get('/v1/mcp-servers/{id}', { params: { path: { id } } }),
  });
  if (data !== undefined) return <Found server={data} />;
  return <Page title="MCP server">{error !== null ? <ErrorNote error={error} retry={() => void refetch()} /> : <Skeleton />}</Page>;
}

function Found({ server }: { server: Server }) {
  const may = useMay('mcp_server');
  const { id, name, status } = server;
  const params = { params: { path: { id } } };
  const set = (next: Server['status']) => api.patch('/v1/mcp-servers/{id}', { ...params, body: { status: next } });
  return (
    <Page
      title={name}
      about={
        <span className="flex flex-wrap items-center gap-2">
          <Link to="/mcp-servers" className="text-accent hover:underline">
            All MCP servers
          </Link>
          <BlockState status={status} />
        </span>
      }
      actions={
        <>
          {may.manage && status !== 'archived' && <Toggle id={id} isActive={status === 'active'} />}
          <LifeActions
            things="mcp-servers"
            path="/mcp-servers"
            name={name}
            isArchived={status === 'archived'}
            may={may}
            archive={() => api.delete('/v1/mcp-servers/{id}', params)}
            restore={() => set('active')}
            destroy={() => api.post('/v1/mcp-servers/{id}/delete', params)}
            warning="Its key is gone for good, and agents that use it lose its tools."
          />
        </>
      }
    >
      <div className="grid items-start gap-8 lg:grid-cols-[minmax(0,1fr)_24rem]">
        <Tools server={server} />
        {may.manage && (
          <Section title="Settings">
            <Card>
              <McpForm server={server} onDone={() => undefined} />
            </Card>
          </Section>
        )}
      </div>
    </Page>
  );
}

function Toggle({ id, isActive }: { id: string; isActive: boolean }) {
  const next = isActive ? 'disabled' : 'active';
  const change = useChange(
    () => api.patch('/v1/mcp-servers/{id}', { params: { path: { id } }, body: { status: next } }),
    'mcp-servers',
    'capabilities',
  );
  return (
    <Button disabled={change.isPending} onClick={() => change.mutate()}>
      {isActive ? 'Disable' : 'Enable'}
    </Button>
  );
}

/** The server is asked as it would be asked for an agent. */
function Tools({ server: { id, status, updated_at } }: { server: Server }) {
  const { data, error, isFetching, refetch } = useQuery({
    queryKey: scoped('mcp-servers', 'tools', id, updated_at),
    queryFn: () => toolsOf(`mcp:${id}`),
    enabled: status === 'active',
    staleTime: 60_000,
  });
  return (
    <Section
      title="Tools"
      actions={
        status === 'active' && (
          <Button disabled={isFetching} onClick={() => void refetch()}>
            {isFetching ? 'Asking' : 'Ask again'}
          </Button>
        )
      }
    >
      {status !== 'active' && <Empty title="Nobody is asked while it is not active" />}
      {error !== null && <ErrorNote error={error} />}
      {status === 'active' && data === undefined && error === null && <Skeleton />}
      {data !== undefined && data.length === 0 && (
        <Empty title="It offers no tools now">
          Either it cannot be reached from here, or it refuses the key. Check the address and the key.
        </Empty>
      )}
      {data !== undefined && data.length > 0 && (
        <ul className="flex flex-col gap-2">
          {data.map(({ name, description }) => (
            <li key={name} className="rounded-lg border border-line bg-surface px-4 py-2.5">
              <code className="font-mono text-[13px] font-medium break-all">{name}</code>
              {description !== '' && <p className="mt-0.5 line-clamp-3 text-[13px] text-ink-soft">{description}</p>}
            </li>
          ))}
        </ul>
      )}
    </Section>
  );
}

async function toolsOf(ref: string): Promise<{ name: string; description: string }[]> {
  const { tools, provenance } = await api.post('/v1/agents/preview', { body: { system_prompt: '', capabilities: [{ ref }] } });
  const own = new Set(provenance.tools.filter(({ capability }) => capability === ref).map(({ name }) => name));
  return tools
    .map(({ name, description }) => ({ name: String(name), description: typeof description === 'string' ? description : '' }))
    .filter(({ name }) => own.has(name));
}
