import type { FastifyPluginAsync } from 'fastify';
import { isUuid, PlatformError } from '@everruns/contract';
import { durableCounts, listDeadLetters, listWorkers } from '@everruns/storage';
import type { Database, DeadLetter, WorkerRow } from '@everruns/storage';

/** What operators look at (contract 2.19, the part that exists so far): health, workers, dead letters. */
export interface DurableRouteOptions {
  db: Database;
  workers(): { id: string; load: number; draining: boolean; loopDelayMs: number }[];
  requeue(id: string): Promise<{ taskId: string }>;
}

const DEFAULT_LIMIT = 50;

export const durableRoutes: FastifyPluginAsync<DurableRouteOptions> = (app, options) => {
  app.get('/v1/durable/health', () => health(options));
  app.get('/v1/durable/workers', async (request) => {
    const { status } = request.query as { status?: string };
    const rows = (await listWorkers(options.db)).filter((row) => status === undefined || row.status === status);
    const live = new Map(options.workers().map((worker) => [worker.id, worker]));
    const data = rows.map((row) => presentWorker(row, live.get(row.id)?.loopDelayMs));
    return { data, summary: summaryOf(data), total: data.length };
  });
  app.get('/v1/durable/dlq', async (request) => {
    const query = request.query as Record<string, string | undefined>;
    const page = await listDeadLetters(options.db, {
      workflowId: optionalUuid(query['workflow_id'], 'workflow_id'),
      pool: query['activity_type'] ?? null,
      offset: count(query['offset'], 'offset', 0),
      limit: Math.min(100, count(query['limit'], 'limit', DEFAULT_LIMIT)),
    });
    return { data: page.data.map(presentDeadLetter), total: page.total };
  });
  app.post('/v1/durable/dlq/:id/retry', async (request, reply) => {
    const { id } = request.params as { id: string };
    if (!isUuid(id)) throw new PlatformError('malformed_id', 'A dead letter id is a UUID.', { field: 'id' });
    const { taskId } = await options.requeue(id);
    return reply.type('text/plain').send(taskId);
  });
  return Promise.resolve();
};

function optionalUuid(text: string | undefined, field: string): string | null {
  if (text === undefined) return null;
  if (!isUuid(text)) throw new PlatformError('malformed_id', `"${text}" is not a UUID.`, { field });
  return text;
}

function count(text: string | undefined, field: string, absent: number): number {
  if (text === undefined) return absent;
  const n = Number(text);
  if (!Number.isInteger(n) || n < 0) throw new PlatformError('invalid_request', `${field} is a whole number of at least 0.`, { field });
  return n;
}

interface PresentedWorker {
  status: WorkerRow['status'];
  max_concurrency: number;
  current_load: number;
}

function presentWorker(row: WorkerRow, loopDelayMs: number | undefined) {
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
    metadata: { instance_id: row.instance_id, ...(loopDelayMs === undefined ? {} : { loop_delay_ms: loopDelayMs }) },
    started_at: row.started_at.toISOString(),
    last_heartbeat_at: row.last_seen_at.toISOString(),
  };
}

function summaryOf(workers: readonly PresentedWorker[]) {
  const of = (status: string): number => workers.filter((worker) => worker.status === status).length;
  return {
    active: of('running'),
    draining: of('draining'),
    stopped: of('stopped'),
    total_capacity: workers.filter((worker) => worker.status === 'running').reduce((sum, worker) => sum + worker.max_concurrency, 0),
    total_load: workers.reduce((sum, worker) => sum + worker.current_load, 0),
  };
}

async function health({ db }: DurableRouteOptions) {
  const [counts, rows] = await Promise.all([durableCounts(db), listWorkers(db)]);
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
    dlq_size: counts.dlq_size,
    pending_workflows: 0,
    running_workflows: counts.running_workflows,
  };
}

function presentDeadLetter(letter: DeadLetter) {
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
