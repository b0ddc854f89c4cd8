import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { Bot, Boxes, FileUp, Plus, Sparkles } from 'lucide-react';
import { useState } from 'react';
import { useMay } from '../../data/changes.ts';
import { api } from '../../data/client.ts';
import { scoped } from '../../data/queries.ts';
import { Button, buttonClasses } from '../../ui/button.tsx';
import { CheckField, TextField } from '../../ui/fields.tsx';
import { Badge, Empty, ErrorNote, Skeleton } from '../../ui/notes.tsx';
import { Page } from '../../ui/page.tsx';
import { Table } from '../../ui/table.tsx';
import { Ago } from '../../ui/time.tsx';
import { ExamplesDialog, ImportDialog } from './beginnings.tsx';
import type { Entity, Kind } from './kinds.ts';
import type { ListSearch } from './routes.ts';
import { WORDS } from './words.ts';

export const AgentList = () => <List kind="agent" />;
export const HarnessList = () => <List kind="harness" />;

const PATHS = { agent: '/agents', harness: '/harnesses' } as const;
const MOST = 100;

async function load(kind: Kind, { search, archived }: ListSearch): Promise<{ entities: Entity[]; total: number }> {
  const query = { ...(search !== undefined && { search }), ...(archived === true && { include_archived: 'true' as const }) };
  if (kind === 'agent') {
    const { data, total } = await api.get('/v1/agents', { params: { query: { ...query, limit: MOST } } });
    return { entities: data, total };
  }
  const { data } = await api.get('/v1/harnesses', { params: { query } });
  return { entities: data, total: data.length };
}

function List({ kind }: { kind: Kind }) {
  const words = WORDS[kind];
  const search = useSearch({ strict: false }) as ListSearch;
  const navigate = useNavigate();
  const { data, error, refetch } = useQuery({
    queryKey: scoped(kind === 'agent' ? 'agents' : 'harnesses', 'list', search),
    queryFn: () => load(kind, search),
    placeholderData: keepPreviousData,
  });
  const [begins, setBegins] = useState<'import' | 'examples' | null>(null);
  const { manage } = useMay(kind);
  const go = (next: ListSearch) => void navigate({ to: PATHS[kind], search: next, replace: true });
  const { search: text, archived } = search;
  return (
    <Page
      title={words.title}
      about={words.about}
      actions={
        manage && (
          <>
            <Button icon={<Sparkles aria-hidden className="size-4" />} onClick={() => setBegins('examples')}>
              Examples
            </Button>
            <Button icon={<FileUp aria-hidden className="size-4" />} onClick={() => setBegins('import')}>
              Import
            </Button>
            <NewLink kind={kind} />
          </>
        )
      }
    >
      <div className="mb-4 flex flex-wrap items-center gap-x-6 gap-y-3">
        <div className="w-full max-w-sm">
          <TextField
            label={`Search ${words.title.toLowerCase()}`}
            hideLabel
            type="search"
            placeholder="Search by name or description"
            defaultValue={text}
            onChange={({ target }) => go({ ...(target.value !== '' && { search: target.value }), ...(archived && { archived }) })}
          />
        </div>
        <CheckField
          label="Show archived"
          checked={archived === true}
          onChange={({ target }) => go({ ...(text !== undefined && { search: text }), ...(target.checked && { archived: true }) })}
        />
      </div>
      {error !== null && <ErrorNote error={error} retry={() => void refetch()} />}
      {data === undefined && error === null && <Skeleton />}
      {data !== undefined && data.entities.length === 0 && (
        <Nothing kind={kind} isSearch={text !== undefined} onExamples={manage ? () => setBegins('examples') : null} />
      )}
      {data !== undefined && data.entities.length > 0 && (
        <>
          <Table label={words.title} rows={data.entities} rowKey={({ id }) => id} columns={columns(kind)} />
          {data.total > data.entities.length && (
            <p className="mt-3 text-sm text-ink-soft">
              The first {data.entities.length} of {data.total}. Search to see others.
            </p>
          )}
        </>
      )}
      <ImportDialog kind={kind} open={begins === 'import'} onClose={() => setBegins(null)} />
      <ExamplesDialog kind={kind} open={begins === 'examples'} onClose={() => setBegins(null)} />
    </Page>
  );
}

function NewLink({ kind }: { kind: Kind }) {
  return (
    <Link to={`${PATHS[kind]}/new`} className={buttonClasses('primary')}>
      <Plus aria-hidden className="size-4" />
      {WORDS[kind].make}
    </Link>
  );
}

function Nothing({ kind, isSearch, onExamples }: { kind: Kind; isSearch: boolean; onExamples: (() => void) | null }) {
  if (isSearch) return <Empty title={`No ${WORDS[kind].one} has these words`} />;
  const Icon = kind === 'agent' ? Bot : Boxes;
  return (
    <Empty
      icon={<Icon aria-hidden className="size-8" />}
      title={WORDS[kind].empty}
      action={
        onExamples !== null && (
          <div className="flex flex-wrap justify-center gap-2">
            <NewLink kind={kind} />
            <Button onClick={onExamples}>Begin with an example</Button>
          </div>
        )
      }
    >
      {WORDS[kind].emptyAbout}
    </Empty>
  );
}

function columns(kind: Kind) {
  return [
    {
      title: 'Name',
      cell: (entity: Entity) => (
        <div className="min-w-40">
          <Link to={`${PATHS[kind]}/$idOrName`} params={{ idOrName: entity.name }} className="font-medium hover:underline">
            {entity.display_name ?? entity.name}
          </Link>
          {entity.description !== undefined && <p className="line-clamp-1 text-[13px] text-ink-soft">{entity.description}</p>}
        </div>
      ),
    },
    {
      title: 'State',
      cell: (entity: Entity) => {
        if (entity.status === 'archived') return <Badge tone="warn">archived</Badge>;
        return 'is_built_in' in entity && entity.is_built_in ? <Badge>built in</Badge> : <Badge tone="good">active</Badge>;
      },
    },
    { title: 'Capabilities', cell: ({ capabilities }: Entity) => capabilities.length, align: 'right' as const, wide: true },
    { title: 'Sessions', cell: ({ session_count = 0 }: Entity) => session_count, align: 'right' as const, wide: true },
    { title: 'Updated', cell: ({ updated_at }: Entity) => <Ago at={updated_at} />, wide: true },
  ];
}
