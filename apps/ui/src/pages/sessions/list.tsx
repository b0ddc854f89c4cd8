import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router';
import { MessagesSquare } from 'lucide-react';
import { api } from '../../data/client.ts';
import { scoped } from '../../data/queries.ts';
import type { Schemas } from '../../data/queries.ts';
import { Button } from '../../ui/button.tsx';
import { TextField } from '../../ui/fields.tsx';
import { Badge, Empty, ErrorNote, Skeleton } from '../../ui/notes.tsx';
import type { Tone } from '../../ui/notes.tsx';
import { Page } from '../../ui/page.tsx';
import { Table } from '../../ui/table.tsx';
import { Ago } from '../../ui/time.tsx';

const PAGE_SIZE = 25;
const route = getRouteApi('/sessions');

export function SessionList() {
  const { search, page = 1 } = route.useSearch();
  const navigate = useNavigate();
  const query = { limit: PAGE_SIZE, offset: (page - 1) * PAGE_SIZE, ...(search !== undefined && { search }) };
  const { data, error, refetch } = useQuery({
    queryKey: scoped('sessions', query),
    queryFn: () => api.get('/v1/sessions', { params: { query } }),
    placeholderData: keepPreviousData,
  });
  const go = (next: { search?: string; page?: number }) => navigate({ to: '/sessions', search: next, replace: true });
  return (
    <Page title="Sessions" about="Conversations with agents, the newest first.">
      <div className="mb-4 max-w-sm">
        <TextField
          label="Search sessions"
          hideLabel
          type="search"
          placeholder="Search by title"
          defaultValue={search}
          onChange={(event) => void go(event.target.value === '' ? {} : { search: event.target.value })}
        />
      </div>
      {error !== null && <ErrorNote error={error} retry={() => void refetch()} />}
      {data === undefined && error === null && <Skeleton />}
      {data !== undefined && <Found sessions={data.data} total={data.total} search={search} page={page} go={go} />}
    </Page>
  );
}

interface FoundProps {
  sessions: Schemas['Session'][];
  total: number;
  search: string | undefined;
  page: number;
  go: (next: { search?: string; page?: number }) => unknown;
}

function Found({ sessions, total, search, page, go }: FoundProps) {
  if (sessions.length === 0 && search !== undefined) return <Empty title="No session has these words in its title" />;
  if (sessions.length === 0) {
    return (
      <Empty icon={<MessagesSquare className="size-8" />} title="No conversation yet">
        A session is one conversation with an agent, with files and a memory of its own. Open an agent and try it.
      </Empty>
    );
  }
  const turn = (step: number) => go({ ...(search !== undefined && { search }), page: page + step });
  return (
    <>
      <Table label="Sessions" rows={sessions} rowKey={({ id }) => id} columns={COLUMNS} />
      <div className="mt-3 flex items-center justify-between text-sm text-ink-soft">
        <p>
          {total} {total === 1 ? 'session' : 'sessions'}
        </p>
        <div className="flex gap-2">
          <Button disabled={page === 1} onClick={() => turn(-1)}>
            Newer
          </Button>
          <Button disabled={page * PAGE_SIZE >= total} onClick={() => turn(1)}>
            Older
          </Button>
        </div>
      </div>
    </>
  );
}

const STATES: Readonly<Record<string, [tone: Tone, text: string]>> = {
  active: ['accent', 'working'],
  waitingfortoolresults: ['warn', 'waiting for you'],
  idle: ['plain', 'idle'],
  started: ['plain', 'new'],
};

export function SessionState({ status }: { status: string }) {
  const [tone, text] = STATES[status] ?? ['plain', status];
  return <Badge tone={tone}>{text}</Badge>;
}

const COLUMNS = [
  {
    title: 'Title',
    cell: ({ id, title }: Schemas['Session']) => (
      <Link to={`/sessions/${id}` as '/sessions'} className="font-medium hover:underline">
        {title ?? <span className="font-normal text-ink-faint">Untitled</span>}
      </Link>
    ),
  },
  { title: 'State', cell: ({ status }: Schemas['Session']) => <SessionState status={status} /> },
  { title: 'Updated', cell: ({ updated_at }: Schemas['Session']) => <Ago at={updated_at} />, wide: true },
] as const;
