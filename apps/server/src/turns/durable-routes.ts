import { DeadLetterQuery, DeadLetters, DurableHealth, DurableWorkers } from '@everruns/contract';
import type { DeadLetterEntry, DurableWorker } from '@everruns/contract';
import { durableCounts, listDeadLetters, listWorkers } from '@everruns/storage';
import type { Database, DeadLetter, WorkerRow } from '@everruns/storage';
import { z } from 'zod';
import type { Api } from '../http/types.ts';

/** What operators look at (contract 2.19, the part that exists so far): health, workers, dead letters. */
export interface DurableRouteOptions {
  db: Database;
  workers(): { id: string; load: number; draining: boolean; loopDelayMs: number }[];
  /** Adds the figures of this instance to the sums. */
  addUp(): Promise<void>;
  requeue(id: string): Promise<{ taskId: string }>;
}

const DEFAULT_LIMIT = 50;
const MAX_LIMIT = 100;
const tags = ['Durable engine'];

export function durableRoutes(app: Api, options: DurableRouteOptions): void {
  app.get('/v1/durable/health', { schema: { tags, operationId: 'getDurableHealth', response: { 200: DurableHealth } } }, () =>
    health(options),
  );
  app.get(
    '/v1/durable/workers',
    {
      schema: {
        tags,
        operationId: 'listDurableWorkers',
        querystring: z.object({ status: z.enum(['running', 'draining', 'stopped']).optional(), worker_group: z.string().optional() }),
        response: { 200: DurableWorkers },
      },
    },
    async (request) => {
      const { status, worker_group: group } = request.query;
      await options.addUp();
      const isAsked = (row: WorkerRow): boolean =>
        (status === undefined || row.status === status) && (group === undefined || row.worker_group === group);
      const rows = (await listWorkers(options.db)).filter(isAsked);
      const live = new Map(options.workers().map((worker) => [worker.id, worker]));
      const data = rows.map((row) => presentWorker(row, live.get(row.id)?.loopDelayMs));
      return { data, summary: summaryOf(data), total: data.length };
    },
  );
  app.get(
    '/v1/durable/dlq',
    { schema: { tags, operationId: 'listDeadLetters', querystring: DeadLetterQuery, response: { 200: DeadLetters } } },
    async (request) => {
      const { workflow_id, activity_type, offset, limit } = request.query;
      const page = await listDeadLetters(options.db, {
        workflowId: workflow_id ?? null,
        pool: activity_type ?? null,
        offset: offset ?? 0,
        limit: Math.min(MAX_LIMIT, limit ?? DEFAULT_LIMIT),
      });
      return { data: page.data.map(presentDeadLetter), total: page.total };
    },
  );
  app.post(
    '/v1/durable/dlq/:id/retry',
    { schema: { tags, operationId: 'retryDeadLetter', params: z.object({ id: z.uuid() }), response: { 200: z.string() } } },
    async (request, reply) => {
      const { taskId } = await options.requeue(request.params.id);
      return reply.type('text/plain').send(taskId);
    },
  );
}

function presentWorker(row: WorkerRow, loopDelayMs: number | undefined): DurableWorker {
  return {
    id: row.id,
    status: row.status,
    ...(row.worker_group === null ? {} : { worker_group: row.worker_group }),
    activity_types: Object.keys(row.pools),
    max_concurrency: Object.values(row.pools).reduce((sum, n) => sum + n, 0),
    current_load: row.current_load,
    accepting_tasks: row.status === 'running',
    ...(row.hostname === null ? {} : { hostname: row.hostname }),
    ...(row.version === null ? {} : { version: row.version }),
    tasks_completed: row.tasks_completed,
    tasks_failed: row.tasks_failed,
    metadata: { instance_id: row.instance_id, ...(loopDelayMs === undefined ? {} : { loop_delay_ms: loopDelayMs }) },
    started_at: row.started_at.toISOString(),
    last_heartbeat_at: row.last_seen_at.toISOString(),
  };
}

function summaryOf(workers: readonly DurableWorker[]): z.infer<typeof DurableWorkers>['summary'] {
  const of = (status: string): number => workers.filter((worker) => worker.status === status).length;
  return {
    active: of('running'),
    draining: of('draining'),
    stopped: of('stopped'),
    total_capacity: workers.filter((worker) => worker.status === 'running').reduce((sum, worker) => sum + worker.max_concurrency, 0),
    total_load: workers.reduce((sum, worker) => sum + worker.current_load, 0),
  };
}

async function health(options: DurableRouteOptions): Promise<DurableHealth> {
  await options.addUp();
  const [counts, rows] = await Promise.all([durableCounts(options.db), listWorkers(options.db)]);
  const workers = rows.map((row) => presentWorker(row, undefined));
  const summary = summaryOf(workers);
  const load = summary.total_capacity === 0 ? 0 : (100 * summary.total_load) / summary.total_capacity;
  const waiting = counts.pending_tasks > 0 || counts.delayed_tasks > 0;
  return {
    status: summary.active > 0 ? 'healthy' : waiting ? 'unhealthy' : 'degraded',
    total_workers: workers.length,
    active_workers: summary.active,
    workers_accepting: workers.filter((worker) => worker.accepting_tasks).length,
    total_capacity: summary.total_capacity,
    current_load: summary.total_load,
    load_percentage: Math.round(load * 10) / 10,
    pending_tasks: counts.pending_tasks + counts.delayed_tasks,
    claimed_tasks: counts.claimed_tasks,
    started_tasks: counts.started_tasks,
    completed_tasks: counts.completed_tasks,
    failed_tasks: counts.failed_tasks,
    dlq_size: counts.dlq_size,
    pending_workflows: counts.pending_workflows,
    running_workflows: Math.max(0, counts.open_workflows - counts.pending_workflows),
    started_workflows: counts.started_workflows,
    completed_workflows: counts.completed_workflows,
    failed_workflows: counts.failed_workflows,
  };
}

function presentDeadLetter(letter: DeadLetter): DeadLetterEntry {
  return {
    id: letter.id,
    original_task_id: letter.id,
    workflow_id: letter.workflowId,
    activity_id: letter.callId ?? `step-${letter.step}`,
    activity_type: letter.pool,
    input: letter.payload.input,
    attempts: letter.attempts,
    last_error: letter.errors.at(-1)?.message ?? '',
    error_history: letter.errors.map((error) => error.message),
    dead_at: letter.deadAt.toISOString(),
  };
}
