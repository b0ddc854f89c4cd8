import { NotFoundError } from '@everruns/client';
import { useQuery } from '@tanstack/react-query';
import { Link, Outlet, useRouterState } from '@tanstack/react-router';
import { useEffect, useRef } from 'react';
import { queryClient, scoped } from '../../data/queries.ts';
import { buttonClasses } from '../../ui/button.tsx';
import { Empty, ErrorNote, Skeleton } from '../../ui/notes.tsx';
import { useTitle } from '../../ui/page.tsx';
import { SessionHeader } from './header.tsx';
import { LogProvider, useSessionLog, useSnapshot } from './log-context.ts';
import { sessionQuery, sessionRoute } from './session-queries.ts';

export function Session() {
  const { sessionId } = sessionRoute.useParams();
  return <Frame key={sessionId} id={sessionId} />;
}

function Frame({ id }: { id: string }) {
  const log = useSessionLog(id);
  const { data, error, refetch } = useQuery(sessionQuery(id));
  useTitle(data?.title ?? 'Session');
  if (error instanceof NotFoundError) return <Gone />;
  return (
    <LogProvider value={log}>
      <Freshness id={id} />
      <div className="flex h-full min-h-0 flex-col">
        <div className="shrink-0 border-b border-line bg-surface px-4 pt-3 sm:px-6">
          {data !== undefined && <SessionHeader session={data} />}
          {data === undefined && error === null && <div className="h-[52px] animate-pulse" role="status" aria-label="Loading" />}
          {error !== null && <ErrorNote error={error} retry={() => void refetch()} />}
          <Tabs id={id} />
        </div>
        <div className="min-h-0 grow">{data === undefined ? <Waiting /> : <Outlet />}</div>
      </div>
    </LogProvider>
  );
}

const Waiting = () => (
  <div className="mx-auto max-w-3xl p-6">
    <Skeleton />
  </div>
);

function Gone() {
  return (
    <div className="mx-auto max-w-xl p-8">
      <Empty
        title="There is no such session"
        action={
          <Link to="/sessions" className={buttonClasses()}>
            To the sessions
          </Link>
        }
      >
        It was deleted, or it is in another organization.
      </Empty>
    </div>
  );
}

/** What the log tells of the session itself is asked for again. */
function Freshness({ id }: { id: string }) {
  const mark = useSnapshot(({ events }) => events.findLast(({ type }) => SAYS_MORE.has(type))?.id);
  useEffect(() => {
    void queryClient.invalidateQueries({ queryKey: scoped('session', id) });
  }, [id, mark]);
  return null;
}

const SAYS_MORE: ReadonlySet<string> = new Set([
  'session.title.updated',
  'session.model.changed',
  'session.activated',
  'session.idled',
  'tool.approval_requested',
  'tool.approval_resolved',
  'tool.call_requested',
  'budget.paused',
  'budget.exhausted',
  'budget.resumed',
]);

const TABS = [
  ['/sessions/$sessionId', 'Conversation'],
  ['/sessions/$sessionId/timeline', 'Timeline'],
  ['/sessions/$sessionId/events', 'Events'],
  ['/sessions/$sessionId/files', 'Files'],
  ['/sessions/$sessionId/storage', 'Storage'],
  ['/sessions/$sessionId/schedules', 'Schedules'],
  ['/sessions/$sessionId/tasks', 'Tasks'],
  ['/sessions/$sessionId/usage', 'Cost and context'],
] as const;

function Tabs({ id }: { id: string }) {
  const path = useRouterState({ select: ({ location }) => location.pathname });
  const tabs = useRef<HTMLElement>(null);
  useEffect(() => {
    // On a phone the last tabs are out of sight.
    tabs.current?.querySelector('[aria-current=page]')?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  }, [path]);
  return (
    <nav ref={tabs} aria-label="Parts of the session" className="-mx-4 mt-2 overflow-x-auto px-4 sm:mx-0 sm:px-0">
      <ul className="flex gap-1">
        {TABS.map(([to, title]) => (
          <li key={to}>
            <Link
              to={to}
              params={{ sessionId: id }}
              activeOptions={{ exact: true, includeSearch: false }}
              className="block border-b-2 border-transparent px-2.5 py-2 text-sm whitespace-nowrap text-ink-soft hover:text-ink focus-visible:outline-offset-[-2px] aria-[current=page]:border-accent aria-[current=page]:font-medium aria-[current=page]:text-ink"
            >
              {title}
            </Link>
          </li>
        ))}
      </ul>
    </nav>
  );
}
