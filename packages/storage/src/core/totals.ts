import type { Queryable, Statement } from '../database.ts';

/** What the engine has done since the database was made, and what lies before it now. */

export interface Totals {
  startedTasks: number;
  completedTasks: number;
  failedTasks: number;
  startedWorkflows: number;
  completedWorkflows: number;
  failedWorkflows: number;
}

export interface WorkerTally {
  id: string;
  completed: number;
  failed: number;
}

const ADD: Statement = {
  name: 'add_engine_totals',
  text: `with t as (
   insert into engine_totals (shard, started_tasks, completed_tasks, failed_tasks, started_workflows, completed_workflows, failed_workflows)
   values ($1, $2, $3, $4, $5, $6, $7)
   on conflict (shard) do update set started_tasks = engine_totals.started_tasks + excluded.started_tasks,
     completed_tasks = engine_totals.completed_tasks + excluded.completed_tasks, failed_tasks = engine_totals.failed_tasks + excluded.failed_tasks,
     started_workflows = engine_totals.started_workflows + excluded.started_workflows,
     completed_workflows = engine_totals.completed_workflows + excluded.completed_workflows,
     failed_workflows = engine_totals.failed_workflows + excluded.failed_workflows),
 d as materialized (select id, completed, failed from jsonb_to_recordset($8::jsonb) as d(id text, completed int, failed int)),
 w as materialized (select w.id from workers w where w.id in (select id from d) order by w.id for update)
 update workers x set tasks_completed = x.tasks_completed + d.completed, tasks_failed = x.tasks_failed + d.failed from w join d using (id) where x.id = w.id`,
};

/** Adds what one process has counted. The only write here that must not be repeated when its outcome is unknown. */
export async function addTotals(db: Queryable, at: { shard: number; totals: Totals; workers: readonly WorkerTally[] }): Promise<void> {
  const { startedTasks, completedTasks, failedTasks, startedWorkflows, completedWorkflows, failedWorkflows } = at.totals;
  const figures = [startedTasks, completedTasks, failedTasks, startedWorkflows, completedWorkflows, failedWorkflows];
  await db.run(ADD, [at.shard, ...figures, JSON.stringify(at.workers)]);
}

/** Nothing is counted further than this: a longer queue is long, whatever its length. */
const MOST = 100_000;

const COUNTS: Statement = {
  name: 'durable_counts',
  text: `with queued as materialized (select pool, step, attempt from ready limit $1),
   totals as (select sum(started_tasks) as started_tasks, sum(completed_tasks) as completed_tasks, sum(failed_tasks) as failed_tasks,
     sum(started_workflows) as started_workflows, sum(completed_workflows) as completed_workflows, sum(failed_workflows) as failed_workflows from engine_totals)
   select (select count(*)::int from queued) as pending_tasks,
     (select count(*)::int from queued where pool = 'reason' and step = 1 and attempt = 0) as pending_workflows,
     (select count(*)::int from (select from leases limit $1) x) as claimed_tasks,
     (select count(*)::int from (select from dead_letters where requeued_at is null limit $1) x) as dlq_size,
     (select count(*)::int from (select from workflows where ended_at is null limit $1) x) as open_workflows,
     (select count(*)::int from (select from timers where kind = 'task' limit $1) x) as delayed_tasks,
     coalesce(started_tasks, 0)::bigint as started_tasks, coalesce(completed_tasks, 0)::bigint as completed_tasks, coalesce(failed_tasks, 0)::bigint as failed_tasks,
     coalesce(started_workflows, 0)::bigint as started_workflows, coalesce(completed_workflows, 0)::bigint as completed_workflows,
     coalesce(failed_workflows, 0)::bigint as failed_workflows from totals`,
};

export interface DurableCounts extends Record<string, unknown> {
  /** Due, and with no worker yet. */
  pending_tasks: number;
  /** Due later: retries, and tasks that an open circuit has parked. */
  delayed_tasks: number;
  claimed_tasks: number;
  dlq_size: number;
  /** Begun, and no worker has taken up their first step yet. */
  pending_workflows: number;
  /** Not ended: pending ones, running ones, and those that wait for their client. */
  open_workflows: number;
  started_tasks: number;
  completed_tasks: number;
  failed_tasks: number;
  started_workflows: number;
  completed_workflows: number;
  failed_workflows: number;
}

export async function durableCounts(db: Queryable): Promise<DurableCounts> {
  const [row] = await db.run<DurableCounts>(COUNTS, [MOST]);
  if (row === undefined) throw new Error('The counts returned no row.');
  return row;
}
