import type { Uuid } from '@everruns/contract';
import type { Queryable, Row, Statement } from '../database.ts';
import { EVENT_COLUMNS, toEventRow } from './event-json.ts';
import type { EventRow, RawEventRow } from './event-json.ts';
import { foldTextMark, NO_OPEN_TEXTS, TEXT_MARK_TYPES } from './text-marks.ts';
import type { OpenTexts, TextMark } from './text-marks.ts';

/** Reads of the log for streams: where a stream begins, and what follows a sequence. */

export interface StreamStart {
  firstSequence: number;
  lastSequence: number;
  /** A turn runs, so texts may be open. */
  running: boolean;
  /** The stream begins after this sequence. */
  after: number;
  /** Texts that are open at `after`. */
  open: OpenTexts;
}

const MARKS = `e.seq, e.type, coalesce(e.data->>'message_id', e.data#>>'{message,id}') as message_id, (e.data->>'attempt')::int as attempt,
   (e.data->>'output_offset')::int as output_offset`;

/** A step's events between its start and its end are few; so many are enough to find what is open. */
const LOOK_BACK = 400;

const OPEN_STREAM: Statement = {
  name: 'stream_start',
  text: `with h as (
   select session_id, first_seq, last_seq, turn_id,
     greatest(first_seq - 1, case when $4::boolean then last_seq when $3::int is null or $3::int > last_seq then last_input_seq - 1 else $3::int end) as after
   from session_heads where session_id = $1 and org_id = $2)
 select h.first_seq, h.last_seq, h.turn_id is not null as running, h.after, m.seq, m.type, m.message_id, m.attempt, m.output_offset
 from h left join lateral (
   select ${MARKS} from events e
   where e.session_id = h.session_id and e.seq <= h.after and e.seq > h.after - ${LOOK_BACK} and e.type = any($5::text[])
     and not (h.turn_id is null and h.after = h.last_seq)
   order by e.seq desc limit 64) m on true
 order by m.seq`,
};

interface MarkRow extends Row {
  seq: number | null;
  type: string;
  message_id: string | null;
  attempt: number | null;
  output_offset: number | null;
}

interface StartRow extends MarkRow {
  first_seq: number;
  last_seq: number;
  running: boolean;
  after: number;
}

/**
 * Where a stream of a session begins: after `after`, or at the end (`live`), or, without either and for a sequence that the log has not
 * reached, before the last message that a user sent. Null when the organization has no such session.
 */
export async function streamStart(
  db: Queryable,
  at: { sessionId: Uuid; orgId: Uuid; after: number | null; live: boolean },
): Promise<StreamStart | null> {
  const rows = await db.run<StartRow>(OPEN_STREAM, [at.sessionId, at.orgId, at.after, at.live, TEXT_MARK_TYPES]);
  const [first] = rows;
  if (first === undefined) return null;
  return {
    firstSequence: first.first_seq,
    lastSequence: first.last_seq,
    running: first.running,
    after: first.after,
    open: openTextsOf(rows),
  };
}

function openTextsOf(rows: readonly MarkRow[]): OpenTexts {
  return rows
    .filter((row) => row.seq !== null)
    .map((row): TextMark => {
      const { type, attempt } = row;
      return { sequence: row.seq as number, type, messageId: row.message_id, attempt, outputOffset: row.output_offset };
    })
    .reduce(foldTextMark, NO_OPEN_TEXTS);
}

/** Events with the stored bytes of those before them in the page, so that the JSON is only made of those that fit. */
const MEASURED = `e.session_id, e.seq, e.id, e.type, e.ts, e.context, e.data, e.metadata, e.tags,
     coalesce(sum(pg_column_size(e.data)) over (order by e.seq rows between unbounded preceding and 1 preceding), 0) as before`;

const PAGE: Statement = {
  name: 'events_after',
  text: `select ${EVENT_COLUMNS} from (
   select ${MEASURED} from session_heads h join events e on e.session_id = h.session_id and e.seq > $3 and e.seq <= $3 + $4
   where h.session_id = $1 and h.org_id = $2) e
 where e.before < $5 order by e.seq`,
};

export interface PageLimits {
  rows: number;
  /** Of stored payload; one event always passes. */
  bytes: number;
}

/** The events that follow a sequence, without gaps. Empty at the end of the log, and when the session is gone. */
export async function eventsAfter(
  db: Queryable,
  at: { sessionId: Uuid; orgId: Uuid; after: number },
  limits: PageLimits,
): Promise<EventRow[]> {
  return (await db.run<RawEventRow>(PAGE, [at.sessionId, at.orgId, at.after, limits.rows, limits.bytes])).map(toEventRow);
}

const CATCH_UP: Statement = {
  name: 'events_after_many',
  text: `select q.session_id, h.last_seq, p.seq, p.type, p.id, p.json
   from unnest($1::uuid[], $2::uuid[], $3::int[]) as q(session_id, org_id, after)
   join session_heads h on h.session_id = q.session_id and h.org_id = q.org_id
   left join lateral (
     select ${EVENT_COLUMNS} from (
       select ${MEASURED} from events e where e.session_id = q.session_id and e.seq > q.after and e.seq <= q.after + $4) e
     where e.before < $5) p on true
   order by q.session_id, p.seq`,
};

export interface CatchUp {
  lastSequence: number;
  events: EventRow[];
}

/** What follows in several sessions at once. Sessions that are gone are not in the answer. */
export async function catchUp(
  db: Queryable,
  sessions: readonly { sessionId: Uuid; orgId: Uuid; after: number }[],
  limits: PageLimits,
): Promise<Map<Uuid, CatchUp>> {
  type CatchUpRow = Row & { session_id: Uuid; last_seq: number } & (RawEventRow | { seq: null });
  const rows = await db.run<CatchUpRow>(CATCH_UP, [
    sessions.map(({ sessionId }) => sessionId),
    sessions.map(({ orgId }) => orgId),
    sessions.map(({ after }) => after),
    limits.rows,
    limits.bytes,
  ]);
  const found = new Map<Uuid, CatchUp>();
  for (const row of rows) {
    const entry = found.get(row.session_id) ?? { lastSequence: row.last_seq, events: [] };
    if (row.seq !== null) entry.events.push(toEventRow(row));
    found.set(row.session_id, entry);
  }
  return found;
}

const LAST_SEQUENCES: Statement = {
  name: 'last_sequences',
  text: 'select session_id, last_seq from session_heads where session_id = any($1::uuid[])',
};

/** Ends of several logs; sessions that are gone are not in the answer. */
export async function lastSequences(db: Queryable, sessionIds: readonly Uuid[]): Promise<Map<Uuid, number>> {
  const rows = await db.run<{ session_id: Uuid; last_seq: number }>(LAST_SEQUENCES, [sessionIds]);
  return new Map(rows.map((row) => [row.session_id, row.last_seq]));
}

const RANGE: Statement = {
  name: 'sequence_range',
  text: 'select first_seq, last_seq, last_input_seq from session_heads where session_id = $1 and org_id = $2',
};

export interface SequenceRange {
  first: number;
  last: number;
  /** Sequence of the last message that a user sent; 0 without one. */
  lastInput: number;
}

/** What is kept of a session's log; null when the organization has no such session. */
export async function sequenceRange(db: Queryable, at: { sessionId: Uuid; orgId: Uuid }): Promise<SequenceRange | null> {
  const [row] = await db.run<{ first_seq: number; last_seq: number; last_input_seq: number }>(RANGE, [at.sessionId, at.orgId]);
  return row === undefined ? null : { first: row.first_seq, last: row.last_seq, lastInput: row.last_input_seq };
}
