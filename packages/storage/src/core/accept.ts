import { toPublicId } from '@everruns/contract';
import type { DurableEvent, Uuid } from '@everruns/contract';
import type { EventDraft, HistoryEvent, TaskDraft } from '@everruns/engine';
import type { Queryable, Statement } from '../database.ts';
import { violatedUnique } from '../resources/violations.ts';
import { taskJson } from './plan-json.ts';
import { writtenEvents } from './written.ts';
import type { WrittenRow } from './written.ts';

/**
 * Stores a message: starts a turn when none runs, else steers the running one. The locked head alone decides (core.md W1); the session's
 * row is only read for what the turn's first events say. While the session waits for its client nothing is written: `waiting` sends
 * the caller to the lock-then-act path.
 */
const ACCEPT: Statement = {
  name: 'accept_message',
  text: `with h as materialized (
   select session_id, org_id, last_seq, last_ts, turn_id, status from session_heads where session_id = $1 and org_id = $2 for update),
 c as materialized (select harness_id, agent_id from sessions where id = $1 and org_id = $2),
 p as materialized (
   select h.session_id, h.org_id, h.last_seq, h.turn_id is null as fresh, coalesce(h.turn_id, $4) as turn_id, greatest(engine_now(), h.last_ts) as ts,
     jsonb_strip_nulls(jsonb_build_object('harness_id', public_id('harness', c.harness_id), 'agent_id', public_id('agent', c.agent_id))) as subject
   from h join c on true where h.status <> 'waiting_for_tool_results'),
 k as (insert into message_keys (session_id, key, seq) select p.session_id, $3::uuid, p.last_seq + 1 from p where $3::uuid is not null),
 x as materialized (
   select p.session_id, p.last_seq + e.n as seq, event_id(p.ts, p.session_id, (p.last_seq + e.n)::int, (random() * 536870911)::int) as id, e.type, p.ts,
     e.context || jsonb_build_object('turn_id', public_id('turn', p.turn_id), 'trace_id', public_id('turn', p.turn_id),
       'span_id', right(replace(p.turn_id::text, '-', ''), 16)) as context,
     case when e.type = 'turn.started' then e.data || (p.subject - 'harness_id') else e.data end as data, e.tags
   from p, lateral jsonb_to_recordset($5::jsonb) as e(n int, type text, context jsonb, data jsonb, tags jsonb) where p.fresh or e.n = 1),
 e as (
   insert into events (session_id, seq, id, type, ts, context, data, tags)
   select session_id, seq, id, type, ts, context, data, case when tags is null then null else array(select jsonb_array_elements_text(tags)) end from x),
 s as (
   update session_heads y set last_seq = p.last_seq + case when p.fresh then jsonb_array_length($5::jsonb) else 1 end, last_input_seq = p.last_seq + 1,
     last_ts = p.ts, turn_id = p.turn_id, status = 'active' from p where y.session_id = p.session_id),
 w as (
   insert into workflows (id, org_id, session_id, kind, version, status, state, revision)
   select p.turn_id, p.org_id, p.session_id, 'turn', $8::int, 'running', $6::jsonb || p.subject, 1 from p where p.fresh),
 we as (
   insert into workflow_events (workflow_id, revision, n, type, data)
   select p.turn_id, 1, 0, 'turn_started', $6::jsonb || p.subject from p where p.fresh),
 r as (
   insert into ready (id, org_id, session_id, workflow_id, pool, priority, step, payload)
   select t.id, p.org_id, p.session_id, p.turn_id, t.pool, t.priority, t.step,
     jsonb_set(t.payload, '{start,data}', (t.payload#>'{start,data}') || p.subject)
   from p, jsonb_to_record($7::jsonb) as t(id uuid, pool text, priority int, step int, payload jsonb) where p.fresh)
 select h.status, h.turn_id as running_turn, x.seq, x.id as event_id, x.ts, x.type, x.context, x.data from h join c on true left join x on true`,
};

const FIND_BY_KEY: Statement = {
  name: 'message_by_key',
  text: `select e.data, e.seq from message_keys k join session_heads h on h.session_id = k.session_id and h.org_id = $2
    join events e on e.session_id = k.session_id and e.seq = k.seq where k.session_id = $1 and k.key = $3`,
};

const FIND_RECENT: Statement = {
  name: 'message_by_id_recent',
  text: `select e.data, e.seq from session_heads h join events e on e.session_id = h.session_id and e.seq > h.last_seq - 500
    where h.session_id = $1 and h.org_id = $2 and e.type = 'input.message' and e.data#>>'{message,id}' = $3`,
};

export interface AcceptCommand {
  orgId: Uuid;
  sessionId: Uuid;
  key: Uuid | null;
  turnId: Uuid;
  /** \`input.message\` first; the others are written only when a turn starts. */
  events: EventDraft[];
  state: unknown;
  history: HistoryEvent[];
  task: TaskDraft;
  version: number;
}

export type AcceptResult =
  | { verdict: 'started' | 'steered'; events: DurableEvent[]; turnId: Uuid }
  | { verdict: 'waiting' | 'duplicate' | 'not_found' };

interface AcceptRow extends WrittenRow {
  status: string;
  running_turn: Uuid | null;
}

export async function acceptMessage(db: Queryable, command: AcceptCommand): Promise<AcceptResult> {
  const events = command.events.map((event, index) => ({ n: index + 1, ...event }));
  let rows: AcceptRow[];
  try {
    rows = await db.run<AcceptRow>(ACCEPT, [
      command.sessionId,
      command.orgId,
      command.key,
      command.turnId,
      JSON.stringify(events),
      JSON.stringify(command.state),
      JSON.stringify(taskJson(command.task)),
      command.version,
    ]);
  } catch (error) {
    if (violatedUnique(error) === 'message_keys_pkey') return { verdict: 'duplicate' };
    throw error;
  }
  const [first] = rows;
  if (first === undefined) return { verdict: 'not_found' };
  if (first.seq === null) return { verdict: 'waiting' };
  const fresh = first.running_turn === null;
  return {
    verdict: fresh ? 'started' : 'steered',
    events: writtenEvents(command.sessionId, rows),
    turnId: first.running_turn ?? command.turnId,
  };
}

export interface StoredInput {
  data: Record<string, unknown>;
  seq: number;
}

/** The message stored under a client's key, or null. */
export async function findMessageByKey(db: Queryable, at: { orgId: Uuid; sessionId: Uuid; key: Uuid }): Promise<StoredInput | null> {
  const rows = await db.run<{ data: Record<string, unknown>; seq: number }>(FIND_BY_KEY, [at.sessionId, at.orgId, at.key]);
  return rows[0] ?? null;
}

/** Was this message stored although the reply was lost? Looks at the end of the log only. */
export async function findRecentMessage(db: Queryable, at: { orgId: Uuid; sessionId: Uuid; messageId: Uuid }): Promise<StoredInput | null> {
  const rows = await db.run<{ data: Record<string, unknown>; seq: number }>(FIND_RECENT, [
    at.sessionId,
    at.orgId,
    toPublicId('message', at.messageId),
  ]);
  return rows[0] ?? null;
}
