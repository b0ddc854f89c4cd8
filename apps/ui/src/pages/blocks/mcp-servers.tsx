import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { Plug } from 'lucide-react';
import { useState } from 'react';
import { useChange, useMay } from '../../data/changes.ts';
import { api } from '../../data/client.ts';
import { scoped } from '../../data/queries.ts';
import type { Schemas } from '../../data/queries.ts';
import { Button } from '../../ui/button.tsx';
import { TextField } from '../../ui/fields.tsx';
import { Badge, ErrorNote, Skeleton } from '../../ui/notes.tsx';
import { BlockList, listQuery } from './block-list.tsx';
import { McpForm } from './mcp-form.tsx';

type Server = Schemas['McpServer'];
type Example = Schemas['McpServerExample'];

export function McpServers() {
  const search = useSearch({ from: '/mcp-servers' });
  const query = listQuery(search);
  const found = useQuery({
    queryKey: scoped('mcp-servers', 'list', query),
    queryFn: async () => (await api.get('/v1/mcp-servers', { params: { query } })).data,
    placeholderData: keepPreviousData,
  });
  const { manage } = useMay('mcp_server');
  return (
    <BlockList
      path="/mcp-servers"
      title="MCP servers"
      about="Tools of other services. Agents get them as a capability."
      icon={<Plug aria-hidden className="size-8" />}
      found={found}
      columns={COLUMNS}
      empty={{ title: 'No MCP server yet', text: 'Add one from the catalogue or by its address; every agent can then use its tools.' }}
      add={manage ? { verb: 'Add server', form: <AddServer /> } : null}
    />
  );
}

const COLUMNS = [
  { title: 'Address', wide: true, cell: ({ url }: Server) => <span className="font-mono text-[13px] break-all">{url}</span> },
  { title: 'Key', wide: true, cell: ({ api_key_set }: Server) => (api_key_set ? <Badge tone="good">set</Badge> : <Badge>none</Badge>) },
];

function AddServer() {
  const [how, setHow] = useState<'catalogue' | 'address'>('catalogue');
  const navigate = useNavigate();
  const done = ({ id }: Server): void => void navigate({ to: '/mcp-servers/$id', params: { id } });
  return (
    <div className="flex flex-col gap-4">
      <div role="group" aria-label="How" className="flex gap-2">
        <Button aria-pressed={how === 'catalogue'} kind={how === 'catalogue' ? 'primary' : 'plain'} onClick={() => setHow('catalogue')}>
          From the catalogue
        </Button>
        <Button aria-pressed={how === 'address'} kind={how === 'address' ? 'primary' : 'plain'} onClick={() => setHow('address')}>
          By address
        </Button>
      </div>
      {how === 'catalogue' ? <Catalogue onDone={done} /> : <McpForm server={null} onDone={done} />}
    </div>
  );
}

function Catalogue({ onDone }: { onDone: (server: Server) => void }) {
  const { data, error, refetch } = useQuery({
    queryKey: scoped('mcp-server-examples'),
    queryFn: () => api.get('/v1/mcp-server-examples'),
    staleTime: Infinity,
  });
  if (error !== null) return <ErrorNote error={error} retry={() => void refetch()} />;
  if (data === undefined) return <Skeleton rows={5} />;
  return (
    <ul className="flex max-h-[55dvh] flex-col gap-2 overflow-y-auto">
      {data.map((example) => (
        <li key={example.slug}>
          <OneExample example={example} onDone={onDone} />
        </li>
      ))}
    </ul>
  );
}

function OneExample({ example, onDone }: { example: Example; onDone: (server: Server) => void }) {
  const { slug, name, description, url, auth_mode, key_hint } = example;
  const [isAsking, setAsking] = useState(false);
  const [key, setKey] = useState('');
  const use = useChange(
    () => api.post('/v1/mcp-server-examples/{slug}/use', { params: { path: { slug } }, body: key === '' ? {} : { api_key: key } }),
    'mcp-servers',
    'capabilities',
  );
  const add = (): void => (auth_mode === 'api_key' && !isAsking ? setAsking(true) : use.mutate(undefined, { onSuccess: onDone }));
  return (
    <div className="flex flex-col gap-3 rounded-lg border border-line px-3 py-2.5">
      <div className="flex items-center gap-3">
        <div className="min-w-0 grow">
          <p className="flex flex-wrap items-center gap-2 text-sm font-medium">
            {name} {auth_mode === 'api_key' && <Badge>needs a key</Badge>}
          </p>
          <p className="text-[13px] text-ink-soft">{description}</p>
          <p className="font-mono text-xs break-all text-ink-faint">{url}</p>
        </div>
        <Button aria-label={`Add ${name}`} disabled={use.isPending || (isAsking && key === '')} onClick={add}>
          Add
        </Button>
      </div>
      {isAsking && (
        <TextField
          label={`Key of ${name}`}
          type="password"
          autoComplete="off"
          hint={key_hint}
          value={key}
          onChange={(event) => setKey(event.target.value)}
        />
      )}
      {use.error !== null && <ErrorNote error={use.error} />}
    </div>
  );
}
