import type { DurableEvent, DurableEventType, EventContext, Uuid } from '@everruns/contract';
import { createIdSource, DEFAULT_ORG_ID, fromPublicId, toPublicId } from '@everruns/contract';
import type { Queryable } from '@everruns/storage';

/** Writes logs of sessions straight into the database, with the engine's guarantees: the head is the lock, numbers have no gaps. */

export interface EventDraft {
  type: DurableEventType;
  data?: Record<string, unknown>;
  context?: EventContext;
  tags?: string[];
  metadata?: unknown;
  /** Opaque provider state, which no client may see. */
  replay?: unknown;
}

const ids = createIdSource();

export async function createLogSession(db: Queryable, orgId: Uuid = DEFAULT_ORG_ID): Promise<Uuid> {
  const sessionId = ids.next();
  await db.run({ name: 'test_create_head', text: 'insert into session_heads (session_id, org_id) values ($1, $2)' }, [sessionId, orgId]);
  return sessionId;
}

export async function deleteLogSession(db: Queryable, sessionId: Uuid): Promise<void> {
  await db.run({ name: 'test_delete_head', text: 'delete from session_heads where session_id = $1' }, [sessionId]);
}

const COMMIT = {
  name: 'test_commit_events',
  text: `with h as materialized (
     select session_id, last_seq, last_input_seq, turn_id, greatest(engine_now(), last_ts) as ts from session_heads where session_id = $1 for update),
   x as materialized (
     select h.session_id, h.last_seq + e.n as seq, event_id(h.ts, h.session_id, h.last_seq + e.n, (random() * 536870911)::int) as id, e.type, h.ts, e.context,
       e.data, e.tags, e.metadata, e.replay
     from h, jsonb_to_recordset($2::jsonb) as e(n int, type text, context jsonb, data jsonb, tags jsonb, metadata jsonb, replay jsonb)),
   w as (
     insert into events (session_id, seq, id, type, ts, context, data, tags, metadata, replay)
     select session_id, seq, id, type, ts, context, data, case when tags is null then null else array(select jsonb_array_elements_text(tags)) end, metadata, replay from x),
   u as (
     update session_heads s set last_seq = (select max(seq) from x), last_ts = h.ts, last_input_seq = greatest(h.last_input_seq, $3 + h.last_seq * ($3 > 0)::int),
       turn_id = case $4 when 'keep' then h.turn_id when 'end' then null else $4::uuid end
     from h where s.session_id = h.session_id)
   select seq, id, type, ts, context, data from x order by seq`,
};

interface WrittenRow extends Record<string, unknown> {
  seq: number;
  id: Uuid;
  type: DurableEventType;
  ts: Date;
  context: EventContext;
  data: Record<string, unknown>;
}

const ENDS = ['turn.completed', 'turn.failed', 'turn.cancelled', 'turn.sealed'];

/** Appends events in one transaction; `turn.started` and the ends of turns move the head's turn along. */
export async function commitEvents(db: Queryable, sessionId: Uuid, drafts: readonly EventDraft[]): Promise<DurableEvent[]> {
  const events = drafts.map((draft, index) => ({ data: {}, context: {}, ...draft, n: index + 1 }));
  const lastInput = drafts.findLastIndex((draft) => draft.type === 'input.message') + 1;
  const started = drafts.findLast((draft) => draft.type === 'turn.started');
  const turn = drafts.some((draft) => ENDS.includes(draft.type))
    ? 'end'
    : started === undefined
      ? 'keep'
      : fromPublicId('turn', started.context?.turn_id ?? '');
  const rows = await db.run<WrittenRow>(COMMIT, [sessionId, JSON.stringify(events), lastInput, turn]);
  return rows.map((row) => ({
    id: toPublicId('event', row.id),
    type: row.type,
    ts: row.ts.toISOString(),
    session_id: toPublicId('session', sessionId),
    context: row.context,
    data: row.data,
    sequence: row.seq,
  }));
}

/** Public and plain id of something new. */
export function newTurn(): { id: Uuid; context: { turn_id: string } } {
  const id = ids.next();
  return { id, context: { turn_id: toPublicId('turn', id) } };
}

export function agentMessage(messageId: Uuid, text: string): { message: Record<string, unknown> } {
  const content = [{ type: 'text', text }];
  return { message: { id: toPublicId('message', messageId), role: 'agent', content, created_at: '2027-01-15T08:00:00.000Z' } };
}
