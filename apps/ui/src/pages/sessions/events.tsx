import type { SessionEvent } from '@everruns/client';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { useVirtualizer } from '@tanstack/react-virtual';
import { X } from 'lucide-react';
import { useDeferredValue, useEffect, useState } from 'react';
import { api } from '../../data/client.ts';
import { scoped } from '../../data/queries.ts';
import { Button } from '../../ui/button.tsx';
import { SelectField, TextField } from '../../ui/fields.tsx';
import { Empty, ErrorNote, Skeleton } from '../../ui/notes.tsx';
import { lineOf } from './event-line.ts';
import { useFollowing } from './following.ts';
import { JsonView } from './json-view.tsx';
import { useLog, useSnapshot } from './log-context.ts';
import { sessionRoute } from './session-queries.ts';

const route = getRouteApi('/sessions/$sessionId/events');
const ROW_PX = 34;
const LOADED_AT_ONCE = 500;
const FOUND_AT_MOST = 1_000;
const REFRESH_MS = 4_000;

/** The log as it is. Without a filter it is the one that the page follows; with one the server looks through all of it. */
export function Events() {
  const { type, q, event: chosenId } = route.useSearch();
  const { sessionId } = sessionRoute.useParams();
  const loaded = useSnapshot((snapshot) => snapshot.events);
  const isLoaded = useSnapshot((snapshot) => snapshot.isLoaded);
  const isFiltered = type !== undefined || q !== undefined;
  const words = useDeferredValue(q);
  const query = { limit: FOUND_AT_MOST, ...(type !== undefined && { types: [type] }), ...(words !== undefined && { q: words }) };
  const found = useQuery({
    queryKey: scoped('session-events', sessionId, query),
    queryFn: () => api.get('/v1/sessions/{id}/events', { params: { path: { id: sessionId }, query } }),
    enabled: isFiltered,
    refetchInterval: REFRESH_MS,
    placeholderData: keepPreviousData,
  });
  const shown = isFiltered ? ((found.data?.data ?? []) as unknown as SessionEvent[]) : loaded;
  const chosen = shown.find(({ id }) => id === chosenId);
  return (
    <div className="flex h-full min-h-0 flex-col">
      <Filters count={shown.length} isFiltered={isFiltered} />
      {found.error !== null && isFiltered && (
        <div className="px-4 pb-3 sm:px-6">
          <ErrorNote error={found.error} retry={() => void found.refetch()} />
        </div>
      )}
      <div className="flex min-h-0 grow flex-col border-t border-line lg:flex-row">
        {!isLoaded || (isFiltered && found.isPending) ? (
          <div className="grow p-4">
            <Skeleton rows={10} />
          </div>
        ) : (
          <List events={shown} isFiltered={isFiltered} chosenId={chosenId} />
        )}
        {chosen !== undefined && <Detail event={chosen} />}
      </div>
    </div>
  );
}

function Filters({ count, isFiltered }: { count: number; isFiltered: boolean }) {
  const { type, q } = route.useSearch();
  const { sessionId } = sessionRoute.useParams();
  const navigate = route.useNavigate();
  const newest = useSnapshot(({ events }) => events.at(-1)?.sequence);
  const [text, setText] = useState(q ?? '');
  const summary = useQuery({
    queryKey: scoped('session-events-summary', sessionId),
    queryFn: () => api.get('/v1/sessions/{id}/events/summary', { params: { path: { id: sessionId } } }),
  });
  const types = (summary.data?.by_type ?? []).map((each) => ({ value: each.event_type, label: `${each.event_type} (${each.count})` }));
  const known = type === undefined || types.some(({ value }) => value === type) ? types : [{ value: type, label: type }, ...types];
  const go = (change: { type?: string; q?: string }): void => {
    void navigate({ search: Object.fromEntries(Object.entries({ type, q, ...change }).filter(([, value]) => value)), replace: true });
  };
  return (
    <div className="flex flex-wrap items-center gap-3 px-4 py-3 sm:px-6">
      <div className="w-full sm:w-64">
        <SelectField
          label="Type"
          hideLabel
          value={type ?? ''}
          choices={[{ value: '', label: 'All types' }, ...known]}
          onChange={(event) => go({ type: event.target.value })}
        />
      </div>
      <div className="w-full sm:w-64">
        <TextField
          label="Words in the event"
          hideLabel
          type="search"
          placeholder="Words in the event"
          value={text}
          onChange={(event) => {
            setText(event.target.value);
            go({ q: event.target.value });
          }}
        />
      </div>
      <p role="status" className="text-[13px] text-ink-faint">
        {isFiltered ? `${count === FOUND_AT_MOST ? `The last ${count}` : count} found` : `${count} loaded of ${newest ?? 0}`}
      </p>
    </div>
  );
}

function List({ events, isFiltered, chosenId }: { events: readonly SessionEvent[]; isFiltered: boolean; chosenId: string | undefined }) {
  const log = useLog();
  const isEmpty = events.length === 0;
  const { frame, onScroll } = useFollowing<HTMLDivElement>(!isEmpty);
  const hasOlder = useSnapshot((snapshot) => snapshot.hasOlder);
  // oxlint-disable-next-line react/incompatible-library -- nothing here is memoized by a compiler
  const rows = useVirtualizer({
    count: events.length,
    getScrollElement: () => frame.current,
    estimateSize: () => ROW_PX,
    getItemKey: (index) => events[index]?.id ?? index,
    overscan: 12,
    anchorTo: 'end',
  });
  const navigate = route.useNavigate();
  const shown = rows.getVirtualItems();
  const isNearStart = (shown[0]?.index ?? 0) < LOADED_AT_ONCE / 10;
  useEffect(() => {
    if (!isFiltered && hasOlder && isNearStart) void log.loadOlder(LOADED_AT_ONCE);
  }, [log, isFiltered, hasOlder, isNearStart, events.length]);
  if (isEmpty) {
    return (
      <div className="grow p-6">
        <Empty title={isFiltered ? 'No event is like this' : 'No event yet'} />
      </div>
    );
  }
  return (
    <div
      ref={frame}
      tabIndex={0}
      role="region"
      aria-label="Events"
      onScroll={onScroll}
      className="min-h-0 min-w-0 flex-1 overflow-y-auto [overflow-anchor:none]"
    >
      <ul className="relative" style={{ height: rows.getTotalSize() }}>
        {shown.map(({ index, key, start }) => {
          const event = events[index] as SessionEvent;
          return (
            <li key={key} className="absolute inset-x-0 top-0" style={{ height: ROW_PX, transform: `translateY(${start}px)` }}>
              <button
                type="button"
                aria-pressed={event.id === chosenId}
                onClick={() => void navigate({ search: (before) => ({ ...before, event: event.id }), replace: true })}
                className="flex h-full w-full cursor-pointer items-center gap-3 px-4 text-left text-[13px] hover:bg-sunken focus-visible:outline-offset-[-2px] aria-pressed:bg-accent-soft sm:px-6"
              >
                <span className="w-10 shrink-0 text-right text-ink-faint tabular-nums">{event.sequence}</span>
                <code className="w-44 shrink-0 truncate font-mono text-xs sm:w-56">{event.type}</code>
                <span className="hidden min-w-0 grow truncate text-ink-soft sm:block">{lineOf(event)}</span>
                <time dateTime={event.ts} className="ml-auto shrink-0 text-xs text-ink-faint tabular-nums">
                  {event.ts.slice(11, 23)}
                </time>
              </button>
            </li>
          );
        })}
      </ul>
    </div>
  );
}

function Detail({ event }: { event: SessionEvent }) {
  const navigate = route.useNavigate();
  const { type, q } = route.useSearch();
  const close = (): void =>
    void navigate({ search: { ...(type !== undefined && { type }), ...(q !== undefined && { q }) }, replace: true });
  return (
    <aside
      aria-label="The chosen event"
      className="max-h-[50%] overflow-y-auto border-t border-line p-4 lg:max-h-none lg:w-[28rem] lg:border-t-0 lg:border-l"
    >
      <div className="flex items-center justify-between gap-2">
        <h2 className="truncate font-mono text-sm font-medium">{event.type}</h2>
        <Button kind="quiet" square className="size-7" aria-label="Close" onClick={close} icon={<X aria-hidden className="size-4" />} />
      </div>
      <p className="text-[13px] text-ink-faint">{new Date(event.ts).toLocaleString()}</p>
      <JsonView value={event} />
    </aside>
  );
}
