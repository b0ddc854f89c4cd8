import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { ScrollText } from 'lucide-react';
import { useState } from 'react';
import { useCaller, usePermission } from '../../data/access.ts';
import { api } from '../../data/client.ts';
import { scoped } from '../../data/queries.ts';
import type { Schemas } from '../../data/queries.ts';
import { Button } from '../../ui/button.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { SelectField, TextField } from '../../ui/fields.tsx';
import { Empty, ErrorNote, Skeleton } from '../../ui/notes.tsx';
import { Page } from '../../ui/page.tsx';
import { Table } from '../../ui/table.tsx';
import { Ago } from '../../ui/time.tsx';
import { JsonView } from '../sessions/json-view.tsx';
import { actionText, askedOf } from './audit-words.ts';
import { members, organizationId } from './queries.ts';
import type { AuditSearch } from './routes.ts';

type Entry = Schemas['AuditLog'];
type Filters = Omit<AuditSearch, 'before' | 'entry'>;

const PAGE_SIZE = 50;
const route = getRouteApi('/settings/audit-log');

export function AuditLog() {
  const caller = useCaller();
  const maySee = usePermission('org:audit-logs:view');
  return (
    <Page title="Audit log" about="Who changed what in this organization, the newest first.">
      {caller !== undefined && !maySee && (
        <Empty icon={<ScrollText aria-hidden className="size-8" />} title="The log is for administrators">
          Ask an administrator of the organization if you need to know who changed something.
        </Empty>
      )}
      {maySee && <Log />}
    </Page>
  );
}

function useNames(): ReadonlyMap<string, string> {
  const { data } = useQuery(members);
  const caller = useCaller();
  return new Map([
    ...(caller === undefined ? [] : [[caller.id, caller.name] as const]),
    ...(data ?? []).map(({ user_id, name }) => [user_id, name] as const),
  ]);
}

function Log() {
  const { entry, before, ...filters } = route.useSearch();
  const navigate = route.useNavigate();
  const names = useNames();
  const asked = askedOf({ ...filters, ...(before !== undefined && { before }) }, PAGE_SIZE);
  const { data, error, refetch } = useQuery({
    queryKey: scoped('audit-log', asked),
    queryFn: async () => api.get('/v1/orgs/{id}/audit-logs', { params: { path: { id: await organizationId() }, query: asked } }),
    placeholderData: keepPreviousData,
  });
  const here = { ...filters, ...(before !== undefined && { before }) };
  const show = (id: string | undefined): void =>
    void navigate({ search: { ...here, ...(id !== undefined && { entry: id }) }, replace: true });
  const shown = data?.data.find(({ id }) => id === entry);
  const next = data?.next_before;
  const filter = (change: Filters): void => {
    const kept = Object.entries({ ...filters, ...change }).filter(([, value]) => value !== '');
    void navigate({ search: Object.fromEntries(kept), replace: true });
  };
  return (
    <>
      <FilterBar key={JSON.stringify(filters)} filters={filters} names={names} onFilter={filter} />
      {error !== null && <ErrorNote error={error} retry={() => void refetch()} />}
      {data === undefined && error === null && <Skeleton rows={8} />}
      {data?.data.length === 0 && <Nothing isFiltered={Object.keys(here).length > 0} />}
      {data !== undefined && data.data.length > 0 && (
        <Table label="Audit log" rows={data.data} rowKey={({ id }) => id} columns={columns(names, show)} />
      )}
      <div className="mt-3 flex justify-end gap-2">
        {before !== undefined && <Button onClick={() => void navigate({ search: filters })}>Newest</Button>}
        {next !== undefined && <Button onClick={() => void navigate({ search: { ...filters, before: next } })}>Older</Button>}
      </div>
      <Dialog title={shown === undefined ? '' : actionText(shown.action)} open={shown !== undefined} onClose={() => show(undefined)}>
        {shown !== undefined && <JsonView value={shown} />}
      </Dialog>
    </>
  );
}

function Nothing({ isFiltered }: { isFiltered: boolean }) {
  if (isFiltered) {
    return <Empty title="Nothing was changed like this">Names of actions and ids have to be whole. Try fewer filters or more days.</Empty>;
  }
  return (
    <Empty icon={<ScrollText aria-hidden className="size-8" />} title="Nothing has been changed yet">
      Whatever somebody makes, changes or deletes from now on is written down here, with who did it and from where.
    </Empty>
  );
}

interface FilterBarProps {
  filters: Filters;
  names: ReadonlyMap<string, string>;
  onFilter: (change: Filters) => void;
}

/** Texts are looked for once they are entered whole. */
function FilterBar({ filters, names, onFilter }: FilterBarProps) {
  const [action, setAction] = useState(filters.action ?? '');
  const [target, setTarget] = useState(filters.target ?? '');
  const { actor = '' } = filters;
  const known = [...names].map(([value, label]) => ({ value, label }));
  const people = actor === '' || names.has(actor) ? known : [...known, { value: actor, label: actor }];
  return (
    <form
      role="search"
      aria-label="Filter the log"
      className="mb-4 grid grid-cols-2 gap-3 lg:grid-cols-[1fr_1fr_1.4fr_auto_auto_auto]"
      onSubmit={(event) => {
        event.preventDefault();
        onFilter({ action: action.trim(), target: target.trim() });
      }}
    >
      <SelectField
        label="Who"
        value={actor}
        choices={[{ value: '', label: 'Everybody' }, ...people]}
        onChange={(event) => onFilter({ actor: event.target.value })}
      />
      <TextField
        label="Action"
        type="search"
        placeholder="createAgent"
        value={action}
        onChange={(event) => setAction(event.target.value)}
      />
      <div className="col-span-2 lg:col-span-1">
        <TextField
          label="Id of what was changed"
          type="search"
          placeholder="agent_…"
          value={target}
          onChange={(event) => setTarget(event.target.value)}
        />
      </div>
      <TextField label="From" type="date" value={filters.since ?? ''} onChange={(event) => onFilter({ since: event.target.value })} />
      <TextField label="To" type="date" value={filters.until ?? ''} onChange={(event) => onFilter({ until: event.target.value })} />
      <div className="col-span-2 flex items-end gap-2 lg:col-span-1">
        <Button type="submit">Filter</Button>
        {Object.keys(filters).length > 0 && (
          <Button kind="quiet" onClick={() => onFilter({ actor: '', action: '', target: '', since: '', until: '' })}>
            Clear
          </Button>
        )}
      </div>
    </form>
  );
}

function columns(names: ReadonlyMap<string, string>, show: (id: string) => void) {
  const who = ({ actor_user_id: id }: Entry): string => (id === undefined ? 'The system' : (names.get(id) ?? id));
  return [
    { title: 'When', cell: ({ created_at }: Entry) => <Ago at={created_at} /> },
    {
      title: 'What',
      cell: (entry: Entry) => (
        <div className="min-w-28">
          <button
            type="button"
            title={entry.action}
            onClick={() => show(entry.id)}
            className="cursor-pointer text-left font-medium hover:underline"
          >
            {actionText(entry.action)}
          </button>
          <p className="text-[13px] break-all text-ink-soft md:hidden">{who(entry)}</p>
          {entry.reason !== undefined && <p className="text-[13px] break-words text-ink-soft">“{entry.reason}”</p>}
        </div>
      ),
    },
    { title: 'Who', wide: true, cell: (entry: Entry) => <span className="inline-block min-w-20 break-words">{who(entry)}</span> },
    {
      title: 'Changed',
      wide: true,
      cell: ({ target }: Entry) =>
        target === undefined ? null : (
          <span className="text-[13px]">
            {target.type.replaceAll('_', ' ')} <code className="break-all text-ink-soft">{target.id}</code>
          </span>
        ),
    },
    {
      title: '',
      align: 'right' as const,
      wide: true,
      cell: ({ id, action }: Entry) => (
        <Button kind="quiet" aria-label={`Details of ${actionText(action)}`} onClick={() => show(id)}>
          Details
        </Button>
      ),
    },
  ];
}
