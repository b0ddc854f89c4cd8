import type { DurableEvent, Uuid } from '@everruns/contract';
import type { EventDraft } from '@everruns/engine';
import type { Queryable, Statement } from '../database.ts';
import { STANDING_LEASE } from './fence.ts';
import { storableJson } from '../json.ts';
import { writtenEvents } from './written.ts';
import type { WrittenRow } from './written.ts';

/** What has to be done about tasks, found by the beat in `timers`; and calls that are put off until a task ends. */

/** The caller holds the head in the same transaction, so that a new snapshot shows it as it is. */
const APPEND: Statement = {
  name: 'append_under_head',
  text: `with h as materialized (select session_id, last_seq, greatest(engine_now(), last_ts) as ts from session_heads where session_id = $1),
 x as materialized (
   select h.session_id, h.last_seq + e.n as seq, event_id(h.ts, h.session_id, (h.last_seq + e.n)::int, (random() * 536870911)::int) as id, e.type, h.ts,
     e.context, e.data from h, lateral jsonb_to_recordset($2::jsonb) as e(n int, type text, context jsonb, data jsonb)),
 e as (insert into events (session_id, seq, id, type, ts, context, data) select session_id, seq, id, type, ts, context, data from x),
 s as (update session_heads y set last_seq = h.last_seq + jsonb_array_length($2::jsonb), last_ts = h.ts from h where y.session_id = h.session_id)
 select x.seq, x.id as event_id, x.ts, x.type, x.context, x.data from x`,
};

/** Appends to the log of a session whose head the caller holds. */
export async function appendUnderHead(tx: Queryable, sessionId: Uuid, events: readonly EventDraft[]): Promise<DurableEvent[]> {
  const rows = events.map(({ type, context, data }, index) => ({ n: index + 1, type, context, data }));
  return writtenEvents(sessionId, await tx.run<WrittenRow>(APPEND, [sessionId, storableJson(rows)]));
}

/** The kinds of timers that are about tasks. */
export type TaskTimerKind =
  /** The session of the task has to be told how its work is. */
  | 'task_report'
  /** The session of the task is to be woken by a message. */
  | 'task_wake'
  /** The work is to be stopped. */
  | 'task_cancel'
  /** A message is to be brought to where the work is done. */
  | 'task_message';

const DUE: Statement = {
  name: 'due_task_timers',
  text: `select id, kind, org_id, session_id, workflow_id, ref, payload from timers
    where breaker is null and kind in ('task_report', 'task_wake', 'task_cancel', 'task_message') and due_at <= (select engine_now()) order by due_at, id limit $1`,
};

const ADD: Statement = {
  name: 'add_task_timer',
  text: `insert into timers (id, due_at, kind, org_id, session_id, workflow_id, ref, payload)
    values ($1, engine_now() + $2::double precision * interval '1 millisecond', $3, $4, $5, $6, $7, $8) on conflict (id) do nothing`,
};

const PUT_OFF: Statement = {
  name: 'put_off_timer',
  text: `update timers set due_at = engine_now() + $2::double precision * interval '1 millisecond' where id = $1`,
};

const DROP_OF_TASK: Statement = {
  name: 'drop_task_timers',
  text: `delete from timers where kind = $2 and workflow_id = $1`,
};

export interface TaskTimer {
  id: Uuid;
  kind: TaskTimerKind;
  orgId: Uuid;
  sessionId: Uuid;
  /** The task's id. */
  taskId: Uuid;
  payload: Record<string, unknown>;
}

export async function dueTaskTimers(db: Queryable, limit: number): Promise<TaskTimer[]> {
  type Raw = { id: Uuid; kind: TaskTimerKind; org_id: Uuid; session_id: Uuid; ref: Uuid; payload: Record<string, unknown> };
  return (await db.run<Raw & Record<string, unknown>>(DUE, [limit])).map(({ id, kind, org_id, session_id, ref, payload }) => {
    return { id, kind, orgId: org_id, sessionId: session_id, taskId: ref, payload };
  });
}

/** `workflow_id` is the task itself: no turn takes these timers with it when it ends. */
export async function addTaskTimer(tx: Queryable, timer: TaskTimer & { delayMs: number }): Promise<void> {
  const { id, kind, orgId, sessionId, taskId, payload, delayMs } = timer;
  await tx.run(ADD, [id, delayMs, kind, orgId, sessionId, taskId, taskId, storableJson(payload)]);
}

export async function putOffTimer(db: Queryable, id: Uuid, delayMs: number): Promise<void> {
  await db.run(PUT_OFF, [id, delayMs]);
}

/** Those that this task set itself, of one kind. */
export async function dropTaskTimers(tx: Queryable, taskId: Uuid, kind: TaskTimerKind): Promise<void> {
  await tx.run(DROP_OF_TASK, [taskId, kind]);
}

const LINKED: Statement = {
  name: 'cancel_linked_tasks',
  text: `with t as materialized (
     select id, org_id, session_id from session_tasks where session_id = $1 and lifetime = 'linked' and state in ('queued', 'running', 'awaiting_input')
     order by id for update),
   u as (update session_tasks s set cancel_requested_at = coalesce(s.cancel_requested_at, engine_now()), updated_at = engine_now() from t where s.id = t.id)
   insert into timers (id, due_at, kind, org_id, session_id, workflow_id, ref, payload)
   select gen_random_uuid(), engine_now(), 'task_cancel', t.org_id, t.session_id, t.id, t.id::text, jsonb_build_object('reason', $2::text) from t returning id`,
};

/** Has the linked work of a session stopped; the caller holds its head. True when there is any. */
export async function cancelLinkedTasks(tx: Queryable, sessionId: Uuid, reason: string): Promise<boolean> {
  return (await tx.run(LINKED, [sessionId, reason])).length > 0;
}

/** A standing lease of this token and session, kept from ending until the transaction does. */
const HOLD: Statement = { name: 'hold_lease', text: `select 1 ${STANDING_LEASE} for update of l` };

export async function holdLease(tx: Queryable, lease: { taskId: Uuid; token: Uuid }, sessionId: Uuid): Promise<boolean> {
  return (await tx.run(HOLD, [lease.taskId, lease.token, sessionId])).length > 0;
}

/** As a lease is given back for later, by its own holder: the call runs again when a task has ended, or when the time is over. */
const PUT_OFF_CALL: Statement = {
  name: 'put_off_call',
  text: `with l as (
   delete from leases where task_id = $1 and token = $2
   returning task_id, org_id, session_id, workflow_id, pool, priority, attempt, losses, failures, step, call_id, effect, payload, checkpoint),
 w as (
   insert into session_task_waits (timer_id, task_id, until) select l.task_id, $3, engine_now() + $4::double precision * interval '1 millisecond' from l
   on conflict (timer_id) do update set task_id = excluded.task_id returning timer_id, until)
 insert into timers (id, due_at, kind, org_id, session_id, workflow_id, ref, payload)
 select l.task_id, w.until, 'task', l.org_id, l.session_id, l.workflow_id, l.call_id,
   jsonb_build_object('pool', l.pool, 'priority', l.priority, 'attempt', l.attempt, 'losses', l.losses, 'failures', l.failures, 'step', l.step, 'call_id', l.call_id,
     'effect', l.effect, 'payload', l.payload, 'checkpoint', l.checkpoint)
 from l, w returning id`,
};

/** False when the lease is gone. How long it waits in all is set by the first time. */
export async function putOffCall(
  tx: Queryable,
  lease: { taskId: Uuid; token: Uuid },
  wait: { taskId: Uuid; waitMs: number },
): Promise<boolean> {
  return (await tx.run(PUT_OFF_CALL, [lease.taskId, lease.token, wait.taskId, wait.waitMs])).length > 0;
}

const WAIT_OF: Statement = {
  name: 'wait_of_call',
  text: `select until <= engine_now() as over from session_task_waits where timer_id = $1`,
};
const END_WAIT: Statement = { name: 'end_wait', text: `delete from session_task_waits where timer_id = $1` };
/** A call that is on its way already, since its time was over or its worker was lost, will see for itself. */
const WAKE: Statement = {
  name: 'wake_waiting_calls',
  text: `with w as materialized (select timer_id from session_task_waits where task_id = $1),
 u as (update timers t set due_at = engine_now() from w where t.id = w.timer_id)
 select count(*)::int as n from w where exists (select 1 from timers t where t.id = w.timer_id)
   or exists (select 1 from ready r where r.id = w.timer_id) or exists (select 1 from leases l where l.task_id = w.timer_id)`,
};

/** Null for a call that has not waited yet; else whether its time is over. */
export async function waitOfCall(tx: Queryable, callTaskId: Uuid): Promise<{ over: boolean } | null> {
  return (await tx.run<{ over: boolean }>(WAIT_OF, [callTaskId]))[0] ?? null;
}

export async function endWait(tx: Queryable, callTaskId: Uuid): Promise<void> {
  await tx.run(END_WAIT, [callTaskId]);
}

/** The calls that wait for a task are due now; how many there are. */
export async function wakeWaitingCalls(tx: Queryable, taskId: Uuid): Promise<number> {
  return (await tx.run<{ n: number }>(WAKE, [taskId]))[0]?.n ?? 0;
}
