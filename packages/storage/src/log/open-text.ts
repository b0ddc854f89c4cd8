import type { TextStream, Uuid } from '@everruns/contract';
import { sqlState } from '../database.ts';
import type { Database, Queryable, Row, Statement } from '../database.ts';

/**
 * Text of messages that are still being written, on its way to the streams of other instances. Rows are only ever inserted: each instance
 * numbers its own, and a reader remembers how far it has read each instance's. The tables are unlogged, so a crash of any back-end
 * empties them; a missing marker tells the holders to write their text again.
 */

export interface TextRow {
  n: number;
  sessionId: Uuid;
  /** Null for what a tool prints. */
  messageId: Uuid | null;
  /** Whose output it is; null for text of messages. */
  call: { id: string; name: string; channel: string } | null;
  attempt: number;
  stream: TextStream;
  /** UTF-16 units of the text before this piece. */
  offset: number;
  startedSequence: number;
  text: string;
}

/** A piece of a text that is still open. */
export interface TextPiece extends TextRow {
  instanceId: Uuid;
  /** Public id. */
  turnId: string;
  /** Sequence of the event that ended the call which has printed it; null while that runs, and for all other text. */
  overAt: number | null;
}

/** New rows go to one table for this long, then to the other: the older one can be truncated while nobody writes to it. */
const TURN_SECONDS = 600;
const CURRENT_TABLE = `(floor(extract(epoch from engine_now()) / ${TURN_SECONDS})::bigint % 2)`;

const COLUMNS = 'instance_id, n, session_id, message_id, attempt, stream, start_offset, started_seq, text, call';

const WRITE: Statement = {
  name: 'open_text_write',
  text: `with r as materialized (
   select $1::uuid as instance_id, x.n, x.session_id, x.message_id, x.attempt, x.stream, x.start_offset, x.started_seq, x.text, x.call, ${CURRENT_TABLE} as place
   from unnest($2::bigint[], $3::uuid[], $4::uuid[], $5::int[], $6::text[], $7::int[], $8::int[], $9::text[], $10::text[])
     as x(n, session_id, message_id, attempt, stream, start_offset, started_seq, text, call)),
 w0 as (insert into open_text_0 (${COLUMNS}) select ${COLUMNS} from r where place = 0),
 w1 as (insert into open_text_1 (${COLUMNS}) select ${COLUMNS} from r where place = 1)
 select exists (select 1 from open_text_marker where instance_id = $1) as marked`,
};

/**
 * Writes rows of one instance; the numbers must rise from call to call. False when the tables have been emptied since the marker was
 * written: everything else that is open has to be written again.
 */
export async function writeOpenText(db: Queryable, instanceId: Uuid, rows: readonly TextRow[]): Promise<boolean> {
  const column = <T>(pick: (row: TextRow) => T): T[] => rows.map(pick);
  const answer = await db.run<{ marked: boolean }>(WRITE, [
    instanceId,
    column((row) => row.n),
    column((row) => row.sessionId),
    column((row) => row.messageId),
    column((row) => row.attempt),
    column((row) => row.stream),
    column((row) => row.offset),
    column((row) => row.startedSequence),
    // As JSON: a NUL or half of a surrogate pair would not survive in a text column.
    column((row) => JSON.stringify(row.text)),
    column((row) => (row.call === null ? null : JSON.stringify(row.call))),
  ]);
  return answer[0]?.marked === true;
}

const MARK: Statement = {
  name: 'open_text_mark',
  text: 'insert into open_text_marker (instance_id) values ($1) on conflict (instance_id) do nothing',
};

/** From here on a missing marker means that the tables were emptied. */
export async function markOpenText(db: Queryable, instanceId: Uuid): Promise<void> {
  await db.run(MARK, [instanceId]);
}

const UNMARK: Statement = { name: 'open_text_unmark', text: 'delete from open_text_marker where instance_id = $1' };

export async function unmarkOpenText(db: Queryable, instanceId: Uuid): Promise<void> {
  await db.run(UNMARK, [instanceId]);
}

/**
 * Of the rows `r`: the texts whose turn still runs and whose end the log does not have (core.md W10). Each look is a lateral one with a
 * limit, because a generic plan would otherwise expect many texts and read all heads.
 */
const openTexts = (kept: string): string => `
 k as materialized (select distinct r.session_id, r.stream, r.started_seq from r),
 live as materialized (
   select k.session_id, k.stream, k.started_seq, s.turn_id, x.seq as over_at
   from k cross join lateral (
     select public_id('turn', h.turn_id) as turn_id from session_heads h where h.session_id = k.session_id and h.turn_id is not null limit 1) h
   cross join lateral (
     select e.context->>'turn_id' as turn_id, case k.stream when 'tool' then e.data->'tool_call'->>'id' end as call_id from events e where e.session_id = k.session_id and e.seq = k.started_seq limit 1) s
   left join lateral (
     select x.seq from events x where x.session_id = k.session_id and x.seq > k.started_seq
       and x.type in ('reason.started', 'reason.recovered', case k.stream when 'output' then 'output.message.replaced' when 'tool' then 'tool.started' end, case k.stream when 'output' then 'output.message.completed' when 'thinking' then 'reason.thinking.completed' else 'tool.completed' end)
       and (x.type not in ('tool.started', 'tool.completed') or coalesce(x.data->>'tool_call_id', x.data->'tool_call'->>'id') = s.call_id)
     order by x.seq limit 1) x on true
   where s.turn_id = h.turn_id and (${kept}))`;
const STILL_OPEN = openTexts('x.seq is null');
/** With what calls have printed that are over: whoever has followed their session knows whether the end has been shown. */
const OPEN_OR_PRINTED = openTexts("x.seq is null or k.stream = 'tool'");

const PIECES = `r.instance_id, r.n, r.session_id, r.message_id, r.attempt, r.stream, r.start_offset, r.started_seq, r.text, r.call, live.turn_id, live.over_at`;
const ROWS = 't.instance_id, t.n, t.session_id, t.message_id, t.attempt, t.stream, t.start_offset, t.started_seq, t.text, t.call';

/** Rows of one instance and one table in one read. */
const MAX_NEW_ROWS = 5_000;

const newRowsOf = (table: string): string =>
  `select ${ROWS} from c cross join lateral (
     select ${ROWS} from ${table} t where t.instance_id = c.instance_id and t.n > c.n order by t.n limit ${MAX_NEW_ROWS}) t`;

const READ_NEW: Statement = {
  name: 'open_text_read_new',
  text: `with c as materialized (select instance_id, n from unnest($1::uuid[], $2::bigint[]) as c(instance_id, n)),
 f0 as materialized (${newRowsOf('open_text_0')}),
 f1 as materialized (${newRowsOf('open_text_1')}),
 full_reads as (
   select instance_id, max(n) as n from f0 group by instance_id having count(*) = ${MAX_NEW_ROWS}
   union all select instance_id, max(n) as n from f1 group by instance_id having count(*) = ${MAX_NEW_ROWS}),
 a as materialized (
   select f.instance_id, f.n, f.session_id, f.message_id, f.attempt, f.stream, f.start_offset, f.started_seq, f.text, f.call
   from (select ${COLUMNS} from f0 union all select ${COLUMNS} from f1) f
   where not exists (select 1 from full_reads u where u.instance_id = f.instance_id and u.n < f.n)),
 r as materialized (select ${COLUMNS} from a where session_id = any($3::uuid[])),
 ${OPEN_OR_PRINTED},
 top as (select instance_id, max(n) as through from a group by instance_id)
 select top.instance_id as top_instance_id, top.through, exists (select 1 from full_reads) as more, ${PIECES}
 from top left join (r join live using (session_id, stream, started_seq)) on r.instance_id = top.instance_id
 order by r.n`,
};

const rowsOfSessions = (table: string): string =>
  `select ${ROWS} from unnest($1::uuid[]) as q(id) cross join lateral (
     select ${ROWS} from ${table} t where t.session_id = q.id limit 100000) t`;

const READ_SESSIONS: Statement = {
  name: 'open_text_read_sessions',
  text: `with r as materialized (${rowsOfSessions('open_text_0')} union all ${rowsOfSessions('open_text_1')}),
 ${openTexts("x.seq is null or (k.stream = 'tool' and $2::boolean)")}
 select ${PIECES} from r join live using (session_id, stream, started_seq) order by r.started_seq, r.start_offset, r.n`,
};

interface PieceRow extends Row {
  instance_id: Uuid;
  n: number;
  session_id: Uuid;
  message_id: Uuid | null;
  call: string | null;
  attempt: number;
  stream: TextStream;
  start_offset: number;
  started_seq: number;
  text: string;
  turn_id: string;
  over_at: number | null;
}

function toPiece(row: PieceRow): TextPiece {
  return {
    instanceId: row.instance_id,
    n: row.n,
    sessionId: row.session_id,
    messageId: row.message_id,
    call: row.call === null ? null : (JSON.parse(row.call) as TextRow['call']),
    attempt: row.attempt,
    stream: row.stream,
    offset: row.start_offset,
    startedSequence: row.started_seq,
    text: JSON.parse(row.text) as string,
    turnId: row.turn_id,
    overAt: row.over_at,
  };
}

export interface NewText {
  /** Pieces for the asked sessions, in the order in which each instance wrote them. */
  pieces: TextPiece[];
  /** The last row of each instance, whatever its session. */
  through: Map<Uuid, number>;
  /** There was more than one read takes: ask again from there. */
  more: boolean;
}

/** What the instances of `cursors` wrote after these numbers. */
export async function readNewText(db: Queryable, cursors: ReadonlyMap<Uuid, number>, sessionIds: readonly Uuid[]): Promise<NewText> {
  type NewRow = { top_instance_id: Uuid; through: number; more: boolean } & (PieceRow | { session_id: null });
  const rows = await db.run<NewRow & Row>(READ_NEW, [[...cursors.keys()], [...cursors.values()], sessionIds]);
  return {
    pieces: rows.filter((row): row is NewRow & PieceRow => row.session_id !== null).map(toPiece),
    through: new Map(rows.map((row) => [row.top_instance_id, row.through])),
    more: rows[0]?.more === true,
  };
}

/** `printed`: with what calls have printed that are over; `open`: without. */
export type TextExtent = 'open' | 'printed';

/** All text of the sessions' open messages and calls, whoever wrote it, living or dead. */
export async function readTextOfSessions(db: Queryable, sessionIds: readonly Uuid[], extent: TextExtent = 'open'): Promise<TextPiece[]> {
  return (await db.run<PieceRow>(READ_SESSIONS, [sessionIds, extent === 'printed'])).map(toPiece);
}

const LOCK_NOT_AVAILABLE = '55P03';

const OLDER: Statement = {
  name: 'open_text_older',
  text: `select ${CURRENT_TABLE}::int as current, exists (select 1 from open_text_0) as filled_0, exists (select 1 from open_text_1) as filled_1`,
};

/**
 * Truncates the table that is not written to at the moment, unless an open message still has text in it or somebody else holds it: then
 * the next call does it. Nobody can write to it between the look and the truncation, because it is locked. Returns whether it did.
 */
export async function truncateOlderText(db: Database): Promise<boolean> {
  const [state] = await db.run<{ current: number; filled_0: boolean; filled_1: boolean }>(OLDER);
  if (state === undefined || !(state.current === 0 ? state.filled_1 : state.filled_0)) return false;
  const table = state.current === 0 ? 'open_text_1' : 'open_text_0';
  try {
    return await db.transaction((tx) => truncateUnlessOpen(tx, table));
  } catch (error) {
    if (sqlState(error) === LOCK_NOT_AVAILABLE) return false;
    throw error;
  }
}

async function truncateUnlessOpen(tx: Queryable, table: 'open_text_0' | 'open_text_1'): Promise<boolean> {
  await tx.run({ name: 'lock_timeout_100', text: "set local lock_timeout = '100ms'" });
  await tx.run({ name: `lock_${table}`, text: `lock table ${table} in access exclusive mode` });
  const [left] = await tx.run<{ n: number }>({
    name: `count_open_${table}`,
    text: `with r as materialized (select distinct session_id, stream, started_seq from ${table}), ${STILL_OPEN} select count(*)::int as n from live`,
  });
  if (left === undefined || left.n > 0) return false;
  await tx.run({ name: `truncate_${table}`, text: `truncate table ${table}` });
  return true;
}
