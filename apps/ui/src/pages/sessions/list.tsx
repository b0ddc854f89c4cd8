import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { MessagesSquare, Pin, Plus } from 'lucide-react';
import { useEffect, useState } from 'react';
import { api } from '../../data/client.ts';
import { scoped } from '../../data/queries.ts';
import type { Schemas } from '../../data/queries.ts';
import { Button } from '../../ui/button.tsx';
import { CheckField, SelectField, TextField } from '../../ui/fields.tsx';
import { Empty, ErrorNote, Skeleton } from '../../ui/notes.tsx';
import { Page } from '../../ui/page.tsx';
import { Table } from '../../ui/table.tsx';
import { Ago } from '../../ui/time.tsx';
import { NewSession } from './new-session.tsx';
import type { ListSearch } from './routes.ts';
import { SessionState, stateText } from './session-state.tsx';

const PAGE_SIZE = 25;
/** How often rows tell what their sessions do; not while the page is hidden. */
const REFRESH_MS = 3_000;
const TYPING_MS = 200;
const route = getRouteApi('/sessions');

type Filters = Pick<ListSearch, 'search' | 'agent' | 'state' | 'archived'>;

function queryOf({ search, agent, state, archived }: Filters) {
  return {
    ...(search !== undefined && { search }),
    ...(agent !== undefined && { agent_id: agent }),
    ...(state !== undefined && { status: state as 'idle' }),
    ...(archived === true && { include_archived: 'true' as const }),
  };
}

export function SessionList() {
  const { page = 1, new: isNew, ...filters } = route.useSearch();
  const navigate = route.useNavigate();
  const query = { limit: PAGE_SIZE, offset: (page - 1) * PAGE_SIZE, ...queryOf(filters) };
  const { data, error, refetch } = useQuery({
    queryKey: scoped('sessions', query),
    queryFn: () => api.get('/v1/sessions', { params: { query } }),
    placeholderData: keepPreviousData,
    refetchInterval: REFRESH_MS,
  });
  const facets = useQuery({
    queryKey: scoped('sessions', 'facets', filters),
    queryFn: () => api.get('/v1/sessions/facets', { params: { query: queryOf(filters) } }),
    placeholderData: keepPreviousData,
    refetchInterval: REFRESH_MS,
  });
  const names = new Map((facets.data?.agents ?? []).map(({ agent_id: id, name }) => [id, name]));
  const filter = (change: Partial<Filters>): void => {
    const next = Object.entries({ ...filters, ...change }).filter(([, value]) => value !== '' && value !== undefined);
    void navigate({ search: Object.fromEntries(next), replace: true });
  };
  const open = (isOpen: boolean): void =>
    void navigate({ search: { ...filters, ...(page > 1 && { page }), ...(isOpen && { new: true as const }) }, replace: true });
  return (
    <Page
      title="Sessions"
      about="Conversations with agents, the newest first."
      actions={
        <Button kind="primary" icon={<Plus aria-hidden className="size-4" />} onClick={() => open(true)}>
          New session
        </Button>
      }
    >
      <FilterBar filters={filters} facets={facets.data} onFilter={filter} />
      {error !== null && <ErrorNote error={error} retry={() => void refetch()} />}
      {data === undefined && error === null && <Skeleton />}
      {data !== undefined && (
        <Found
          sessions={data.data}
          total={data.total}
          page={page}
          isFiltered={Object.keys(filters).length > 0}
          names={names}
          onPage={(next) => void navigate({ search: { ...filters, ...(next > 1 && { page: next }) } })}
          onNew={() => open(true)}
        />
      )}
      <NewSession isOpen={isNew === true} onClose={() => open(false)} />
    </Page>
  );
}

interface FilterBarProps {
  filters: Filters;
  facets: Schemas['SessionFacets'] | undefined;
  onFilter: (change: Partial<Filters>) => void;
}

function FilterBar({ filters, facets, onFilter }: FilterBarProps) {
  const { search = '', agent, state, archived = false } = filters;
  const [text, setText] = useState(search);
  useEffect(() => {
    if (text === search) return;
    const timer = setTimeout(() => onFilter({ search: text }), TYPING_MS);
    return () => clearTimeout(timer);
    // What was typed decides, not what the address said before.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [text]);
  const agents = (facets?.agents ?? []).flatMap(({ agent_id: id, name, count }) =>
    id === undefined ? [] : [{ value: id, label: `${name ?? id} (${count})` }],
  );
  const states = (facets?.statuses ?? []).map(({ status, count }) => ({
    value: status as string,
    label: `${stateText(status)} (${count})`,
  }));
  return (
    <div className="mb-4 flex flex-wrap items-center gap-3">
      <div className="w-full sm:w-64">
        <TextField
          label="Search sessions"
          hideLabel
          type="search"
          placeholder="Search by title"
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
      </div>
      <div className="w-[calc(50%-0.375rem)] sm:w-48">
        <SelectField
          label="Agent"
          hideLabel
          value={agent ?? ''}
          choices={[{ value: '', label: 'All agents' }, ...withChosen(agents, agent)]}
          onChange={(event) => onFilter({ agent: event.target.value })}
        />
      </div>
      <div className="w-[calc(50%-0.375rem)] sm:w-44">
        <SelectField
          label="State"
          hideLabel
          value={state ?? ''}
          choices={[{ value: '', label: 'All states' }, ...withChosen(states, state, stateText)]}
          onChange={(event) => onFilter({ state: event.target.value })}
        />
      </div>
      <CheckField
        label="Archived ones too"
        checked={archived}
        onChange={(event) => onFilter(event.target.checked ? { archived: true } : { archived: undefined as never })}
      />
    </div>
  );
}

/** What is chosen stays choosable when nothing is counted for it any more. */
function withChosen(choices: { value: string; label: string }[], chosen: string | undefined, label = (value: string) => value) {
  if (chosen === undefined || choices.some(({ value }) => value === chosen)) return choices;
  return [...choices, { value: chosen, label: label(chosen) }];
}

interface FoundProps {
  sessions: Schemas['Session'][];
  total: number;
  page: number;
  isFiltered: boolean;
  names: ReadonlyMap<string | undefined, string | undefined>;
  onPage: (page: number) => void;
  onNew: () => void;
}

function Found({ sessions, total, page, isFiltered, names, onPage, onNew }: FoundProps) {
  if (sessions.length === 0 && isFiltered) return <Empty title="No session is like this">Try fewer words or another filter.</Empty>;
  if (sessions.length === 0) {
    return (
      <Empty
        icon={<MessagesSquare className="size-8" />}
        title="No conversation yet"
        action={
          <Button kind="primary" onClick={onNew}>
            New session
          </Button>
        }
      >
        A session is one conversation with an agent, with files and a memory of its own.
      </Empty>
    );
  }
  const columns = [
    { title: 'Title', cell: TitleCell },
    { title: 'State', cell: ({ status_detail: status }: Schemas['Session']) => <SessionState status={status} /> },
    {
      title: 'Agent',
      cell: ({ agent_id: id }: Schemas['Session']) => (
        <span className="text-ink-soft">{id === undefined ? 'none' : (names.get(id) ?? '')}</span>
      ),
      wide: true,
    },
    { title: 'Updated', cell: ({ updated_at }: Schemas['Session']) => <Ago at={updated_at} />, wide: true },
  ];
  return (
    <>
      <Table label="Sessions" rows={sessions} rowKey={({ id }) => id} columns={columns} />
      <div className="mt-3 flex items-center justify-between text-sm text-ink-soft">
        <p>
          {total} {total === 1 ? 'session' : 'sessions'}
        </p>
        <div className="flex gap-2">
          <Button disabled={page === 1} onClick={() => onPage(page - 1)}>
            Newer
          </Button>
          <Button disabled={page * PAGE_SIZE >= total} onClick={() => onPage(page + 1)}>
            Older
          </Button>
        </div>
      </div>
    </>
  );
}

function TitleCell({ id, title, preview, is_pinned: isPinned }: Schemas['Session']) {
  return (
    <div className="max-w-[52vw] min-w-0 md:max-w-md">
      <Link to="/sessions/$sessionId" params={{ sessionId: id }} className="flex items-center gap-1.5 font-medium hover:underline">
        {isPinned && <Pin aria-label="Pinned" className="size-3.5 shrink-0 text-accent" />}
        <span className="truncate">{title ?? <span className="font-normal text-ink-faint">Untitled</span>}</span>
      </Link>
      {preview !== undefined && <p className="truncate text-[13px] text-ink-faint">{preview.slice(0, 200)}</p>}
    </div>
  );
}
