import type { Pool, Uuid } from '@everruns/contract';
import type { Queryable, Statement } from '../database.ts';

const MOVE_TASKS: Statement = {
  name: 'move_due_tasks',
  text: `with t as (
   delete from timers where id in (
     select t.id from timers t where t.due_at <= engine_now() and t.kind = 'task' and (t.breaker is null or (
       not exists (select 1 from circuit_breakers b where b.key = t.breaker and (
         (b.state = 'open' and b.opened_at + interval '30 seconds' > engine_now())
         or (b.state = 'half_open' and exists (select 1 from leases l where l.token = b.probe_token))))
       and (not exists (select 1 from circuit_breakers b where b.key = t.breaker and b.state <> 'closed')
         or t.id = (select f.id from timers f where f.breaker = t.breaker and f.due_at <= engine_now() order by f.due_at, f.id limit 1))))
     order by t.due_at limit $1 for update of t skip locked)
   returning id, org_id, session_id, workflow_id, payload),
 r as (
   insert into ready (id, org_id, session_id, workflow_id, pool, priority, attempt, losses, failures, step, call_id, effect, payload, checkpoint)
   select t.id, t.org_id, t.session_id, t.workflow_id, p.pool, p.priority, p.attempt, p.losses, p.failures, p.step, p.call_id, p.effect, p.payload, p.checkpoint
   from t, lateral jsonb_to_record(t.payload) as p(pool text, priority int, attempt int, losses int, failures int, step int, call_id text, effect text, payload jsonb, checkpoint jsonb)
   returning pool)
 select distinct pool from r`,
};

const DUE_DEADLINES: Statement = {
  name: 'due_client_deadlines',
  text: `select id, session_id, workflow_id, (payload->>'step')::int as step from timers where due_at <= engine_now() and kind = 'client_deadline' order by due_at limit $1`,
};

const DROP: Statement = { name: 'drop_timer', text: `delete from timers where id = $1` };
const DROP_STALE: Statement = {
  name: 'drop_stale_timers',
  text: `delete from timers t where t.workflow_id = $1`,
};

/**
 * Moves the tasks that are due from `timers` to `ready`; the pools they went to. Of the tasks parked by one circuit breaker none moves while it
 * is open or probing, one as its probe, and all when it has closed.
 */
export async function moveDueTasks(db: Queryable, limit: number): Promise<Pool[]> {
  return (await db.run<{ pool: Pool }>(MOVE_TASKS, [limit])).map((row) => row.pool);
}

export interface DueDeadline {
  id: Uuid;
  sessionId: Uuid;
  workflowId: Uuid;
  /** The step whose client calls it ends; a workflow that has moved on ignores it. */
  step: number;
}

export async function dueClientDeadlines(db: Queryable, limit: number): Promise<DueDeadline[]> {
  const rows = await db.run<{ id: Uuid; session_id: Uuid; workflow_id: Uuid; step: number }>(DUE_DEADLINES, [limit]);
  return rows.map((row) => ({ id: row.id, sessionId: row.session_id, workflowId: row.workflow_id, step: row.step }));
}

export async function dropTimer(db: Queryable, id: Uuid): Promise<void> {
  await db.run(DROP, [id]);
}

export async function dropTimersOf(db: Queryable, workflowId: Uuid): Promise<void> {
  await db.run(DROP_STALE, [workflowId]);
}
