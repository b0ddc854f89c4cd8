import { fromPublicId, MAX_SEQUENCE, PlatformError } from '@everruns/contract';
import type { Uuid } from '@everruns/contract';
import { countEvents, hasEvent, listEvents, sequenceRange, turnStartBefore } from '@everruns/storage';
import type { EventRow, Queryable, SequenceRange } from '@everruns/storage';
import type { ListRequest } from './list-request.ts';
import { foreignCursor, requireKept } from './stream-query.ts';

/** Rows of a list without a limit. */
const SAFETY_CAP = 10_000;
const PAGE = 200;

export interface ListedEvents {
  /** In the asked order, page by page. */
  pages: AsyncIterable<EventRow[]>;
  /** Events that match, whatever the page; known when a limit was given. */
  total: number | null;
}

interface SessionAt {
  sessionId: Uuid;
  orgId: Uuid;
}

/** Throws `not_found`, `unknown_cursor` and `cursor_expired`; what it gives has been checked against the log. */
export async function findEvents(db: Queryable, at: SessionAt, request: ListRequest): Promise<ListedEvents> {
  const range = await sequenceRange(db, at);
  if (range === null) throw new PlatformError('not_found', 'There is no such session.');
  if (request.after !== null) {
    if (request.after.sequence > range.last) throw foreignCursor(request.after.field);
    requireKept(request.after.sequence, range.first, request.after.field);
  }
  if (request.around !== null) return { pages: once(await eventsAround(db, at, request, request.around)), total: null };
  if (request.limit === null) return { pages: allEvents(db, at, request), total: null };
  const [rows, total] = await Promise.all([limited(db, at, request, request.limit), totalOf(db, at, { request, range })]);
  return { pages: once(rows), total };
}

async function* once(rows: EventRow[]): AsyncGenerator<EventRow[]> {
  yield rows;
}

async function totalOf(db: Queryable, at: SessionAt, of: { request: ListRequest; range: SequenceRange }): Promise<number> {
  if (Object.keys(of.request.filter).length > 0) return countEvents(db, at, of.request.filter);
  return Math.max(0, of.range.last - of.range.first + 1);
}

async function eventsAround(
  db: Queryable,
  at: SessionAt,
  request: ListRequest,
  around: NonNullable<ListRequest['around']>,
): Promise<EventRow[]> {
  const { sequence } = around.cursor;
  const id = fromPublicId('event', around.id) as Uuid;
  if (around.cursor.kind !== 'durable' || !(await hasEvent(db, at, { sequence, id }))) throw foreignCursor('around');
  const page = { ...at, filter: request.filter };
  const [earlier, later] = await Promise.all([
    listEvents(db, { ...page, after: 0, before: sequence, limit: around.window, newestFirst: true }),
    listEvents(db, { ...page, after: sequence - 1, before: MAX_SEQUENCE, limit: around.window + 1, newestFirst: false }),
  ]);
  const hasItself = later[0]?.sequence === sequence;
  const rows = [...earlier.reverse(), ...(hasItself ? later : later.slice(0, around.window))];
  return request.newestFirst ? rows.reverse() : rows;
}

async function limited(db: Queryable, at: SessionAt, request: ListRequest, limit: number): Promise<EventRow[]> {
  const before = request.before ?? MAX_SEQUENCE;
  const page = { ...at, filter: request.filter, after: request.after?.sequence ?? 0, before, limit };
  // A cursor forward asks for what comes next, otherwise the end of the log is meant.
  const rows =
    request.after === null
      ? (await listEvents(db, { ...page, newestFirst: true })).reverse()
      : await listEvents(db, { ...page, newestFirst: false });
  const [first] = rows;
  if (first !== undefined && request.before !== null && request.after === null) rows.unshift(...(await backToTurnStart(db, page, first)));
  return request.newestFirst ? rows.reverse() : rows;
}

/** Older pages begin where a turn begins, so that none is cut in two. */
async function backToTurnStart(db: Queryable, page: SessionAt & { filter: ListRequest['filter'] }, first: EventRow): Promise<EventRow[]> {
  const start = await turnStartBefore(db, page, first.sequence);
  if (start === null || start >= first.sequence || first.sequence - start > SAFETY_CAP) return [];
  return listEvents(db, { ...page, after: start - 1, before: first.sequence, limit: SAFETY_CAP, newestFirst: false });
}

async function* allEvents(db: Queryable, at: SessionAt, request: ListRequest): AsyncGenerator<EventRow[]> {
  const { newestFirst, filter } = request;
  let after = request.after?.sequence ?? 0;
  let before = request.before ?? MAX_SEQUENCE;
  for (let left = SAFETY_CAP; left > 0;) {
    const rows = await listEvents(db, { ...at, filter, after, before, limit: Math.min(PAGE, left), newestFirst });
    yield rows;
    const last = rows.at(-1);
    if (last === undefined || rows.length < PAGE) return;
    left -= rows.length;
    if (newestFirst) before = last.sequence;
    else after = last.sequence;
  }
}

/** The list as JSON text; the rows' JSON is passed on as it came. */
export async function* listJson(pages: AsyncIterable<EventRow[]>): AsyncGenerator<string> {
  let separator = '{"data":[';
  for await (const rows of pages) {
    if (rows.length === 0) continue;
    yield separator + rows.map((row) => row.json).join(',');
    separator = ',';
  }
  yield separator === ',' ? ']}' : '{"data":[]}';
}
