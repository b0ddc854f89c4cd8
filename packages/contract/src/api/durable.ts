import { z } from 'zod';

/** Engine monitoring (contract 2.19), as far as it exists. Ids here are bare UUIDs. */

export const DurableHealth = z.object({
  status: z.enum(['healthy', 'degraded', 'unhealthy']),
  total_workers: z.int(),
  active_workers: z.int(),
  workers_accepting: z.int(),
  total_capacity: z.int(),
  current_load: z.int(),
  load_percentage: z.number(),
  pending_tasks: z.int(),
  claimed_tasks: z.int(),
  started_tasks: z.int(),
  completed_tasks: z.int(),
  failed_tasks: z.int(),
  dlq_size: z.int(),
  pending_workflows: z.int(),
  running_workflows: z.int(),
  started_workflows: z.int(),
  completed_workflows: z.int(),
  failed_workflows: z.int(),
});
export type DurableHealth = z.infer<typeof DurableHealth>;

export const DurableWorker = z.object({
  id: z.string(),
  status: z.enum(['running', 'draining', 'stopped']),
  worker_group: z.string().optional(),
  activity_types: z.array(z.string()),
  max_concurrency: z.int(),
  current_load: z.int(),
  accepting_tasks: z.boolean(),
  hostname: z.string().optional(),
  version: z.string().optional(),
  tasks_completed: z.int(),
  tasks_failed: z.int(),
  metadata: z.object({ instance_id: z.string(), loop_delay_ms: z.number().optional() }),
  started_at: z.string(),
  last_heartbeat_at: z.string(),
});
export type DurableWorker = z.infer<typeof DurableWorker>;

export const DurableWorkers = z.object({
  data: z.array(DurableWorker),
  summary: z.object({ active: z.int(), draining: z.int(), stopped: z.int(), total_capacity: z.int(), total_load: z.int() }),
  total: z.int(),
});

export const DeadLetterEntry = z.object({
  id: z.uuid(),
  original_task_id: z.uuid(),
  workflow_id: z.uuid(),
  activity_id: z.string(),
  activity_type: z.string(),
  input: z.record(z.string(), z.unknown()),
  attempts: z.int(),
  last_error: z.string(),
  error_history: z.array(z.string()),
  dead_at: z.string(),
});
export type DeadLetterEntry = z.infer<typeof DeadLetterEntry>;

export const DeadLetters = z.object({ data: z.array(DeadLetterEntry), total: z.int() });

const pageNumber = z
  .string()
  .regex(/^\d{1,9}$/, 'expected a whole number')
  .transform(Number)
  .optional();

export const DeadLetterQuery = z.object({
  workflow_id: z.uuid().optional(),
  activity_type: z.enum(['reason', 'tool']).optional(),
  offset: pageNumber,
  limit: pageNumber,
});
