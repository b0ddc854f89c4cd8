import type { Uuid } from '@everruns/contract';
import type { Queryable, Row } from '../database.ts';
import { EVENT_COLUMNS, toEventRow } from './event-json.ts';
import type { EventRow, RawEventRow } from './event-json.ts';

/** The events list: filters that are combined by AND, and pages in both directions. */

export interface EventFilter {
  types?: readonly string[];
  exclude?: readonly string[];
  from?: Date;
  to?: Date;
  turnId?: string;
  execId?: string;
  traceId?: string;
  /** Any of these. */
  tags?: readonly string[];
  toolName?: string;
  /** Each must occur in some text or number of the payload, whatever its case. */
  words?: readonly string[];
}

export interface EventPage {
  sessionId: Uuid;
  orgId: Uuid;
  filter: EventFilter;
  /** Both exclusive. */
  after: number;
  before: number;
  limit: number;
  newestFirst: boolean;
}

type Condition = readonly [name: string, sql: (parameter: string) => string, value: unknown];

/** Fixed texts only: values travel as parameters, and the statement's name tells which of the conditions it has. */
function conditions(filter: EventFilter): Condition[] {
  const all: Condition[] = [
    ['types', (p) => `e.type = any(${p}::text[])`, filter.types],
    ['exclude', (p) => `e.type <> all(${p}::text[])`, filter.exclude],
    ['from', (p) => `e.ts >= ${p}::timestamptz`, filter.from],
    ['to', (p) => `e.ts <= ${p}::timestamptz`, filter.to],
    ['turn', (p) => `e.context->>'turn_id' = ${p}::text`, filter.turnId],
    ['exec', (p) => `e.context->>'exec_id' = ${p}::text`, filter.execId],
    ['trace', (p) => `e.context->>'trace_id' = ${p}::text`, filter.traceId],
    ['tags', (p) => `e.tags && ${p}::text[]`, filter.tags],
    ['tool', (p) => `e.data->>'tool_name' = ${p}::text`, filter.toolName],
    ['words', (p) => `(${PAYLOAD_TEXT}) ilike all(${p}::text[])`, filter.words?.map(containing)],
  ];
  return all.filter(([, , value]) => value !== undefined);
}

const PAYLOAD_TEXT = `select coalesce(string_agg(v #>> '{}', chr(10)), '') from jsonb_path_query(e.data, 'strict $.**') v where jsonb_typeof(v) in ('string', 'number')`;

function containing(word: string): string {
  return `%${word.replaceAll(/[\\%_]/g, '\\$&')}%`;
}

interface Where {
  name: string;
  sql: string;
  values: unknown[];
}

function whereOf(filter: EventFilter, firstParameter: number): Where {
  const used = conditions(filter);
  return {
    name: used.map(([name]) => name).join('_'),
    sql: used.map(([, sql], index) => ` and ${sql(`$${firstParameter + index}`)}`).join(''),
    values: used.map(([, , value]) => value),
  };
}

/** One page in the asked order. */
export async function listEvents(db: Queryable, page: EventPage): Promise<EventRow[]> {
  const where = whereOf(page.filter, 6);
  const order = page.newestFirst ? 'desc' : 'asc';
  const rows = await db.run<RawEventRow>(
    {
      name: `events_${order}_${where.name}`,
      text: `select ${EVENT_COLUMNS} from session_heads h join events e on e.session_id = h.session_id and e.seq > $3 and e.seq < $4
        where h.session_id = $1 and h.org_id = $2${where.sql} order by e.seq ${order} limit $5`,
    },
    [page.sessionId, page.orgId, page.after, page.before, page.limit, ...where.values],
  );
  return rows.map(toEventRow);
}

interface SessionAt {
  sessionId: Uuid;
  orgId: Uuid;
}

export async function countEvents(db: Queryable, at: SessionAt, filter: EventFilter): Promise<number> {
  const where = whereOf(filter, 3);
  const rows = await db.run<{ n: number }>(
    {
      name: `events_count_${where.name}`,
      text: `select count(*)::int as n from session_heads h join events e on e.session_id = h.session_id where h.session_id = $1 and h.org_id = $2${where.sql}`,
    },
    [at.sessionId, at.orgId, ...where.values],
  );
  return rows[0]?.n ?? 0;
}

/** The last `turn.started` at or before a sequence, or null. */
export async function turnStartBefore(db: Queryable, at: SessionAt, sequence: number): Promise<number | null> {
  const rows = await db.run<{ seq: number }>(
    {
      name: 'turn_start_before',
      text: `select e.seq from session_heads h join events e on e.session_id = h.session_id
        where h.session_id = $1 and h.org_id = $2 and e.type = 'turn.started' and e.seq <= $3 order by e.seq desc limit 1`,
    },
    [at.sessionId, at.orgId, sequence],
  );
  return rows[0]?.seq ?? null;
}

/** Is this the id of the event at this place of the session? */
export async function hasEvent(db: Queryable, at: SessionAt, event: { sequence: number; id: Uuid }): Promise<boolean> {
  const rows = await db.run(
    {
      name: 'has_event',
      text: `select 1 from session_heads h join events e on e.session_id = h.session_id and e.seq = $3 and e.id = $4
        where h.session_id = $1 and h.org_id = $2`,
    },
    [at.sessionId, at.orgId, event.sequence, event.id],
  );
  return rows.length > 0;
}

export interface EventSummary {
  total: number;
  turnCount: number;
  errorCount: number;
  first: Date | null;
  last: Date | null;
  byType: { type: string; count: number }[];
}

/** Counts of a session's events; errors are failed and sealed turns and tool calls without success. */
export async function summarizeEvents(db: Queryable, at: SessionAt): Promise<EventSummary> {
  interface TypeRow extends Row {
    type: string;
    n: number;
    errors: number;
    first: Date;
    last: Date;
  }
  const rows = await db.run<TypeRow>(
    {
      name: 'events_summary',
      text: `select e.type, count(*)::int as n, min(e.ts) as first, max(e.ts) as last,
          (count(*) filter (where e.type in ('turn.failed', 'turn.sealed') or (e.type = 'tool.completed' and e.data->>'success' = 'false')))::int as errors
        from session_heads h join events e on e.session_id = h.session_id where h.session_id = $1 and h.org_id = $2
        group by e.type order by n desc, e.type`,
    },
    [at.sessionId, at.orgId],
  );
  const times = rows.flatMap((row) => [row.first.getTime(), row.last.getTime()]);
  return {
    total: rows.reduce((sum, row) => sum + row.n, 0),
    turnCount: rows.find((row) => row.type === 'turn.started')?.n ?? 0,
    errorCount: rows.reduce((sum, row) => sum + row.errors, 0),
    first: times.length === 0 ? null : new Date(Math.min(...times)),
    last: times.length === 0 ? null : new Date(Math.max(...times)),
    byType: rows.map((row) => ({ type: row.type, count: row.n })),
  };
}
