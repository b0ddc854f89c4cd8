import type { Uuid } from '@everruns/contract';
import type { Plan, TaskDraft } from '@everruns/engine';
import type { EngineContext } from './context.ts';

/** A task that was leased together with the completion before it. */
export interface EagerTask {
  draft: TaskDraft;
  token: Uuid;
  state: unknown;
  revision: number;
}

/**
 * Hands the workflow's next reason step to the worker that has just completed one, in the same transaction: its lease instead of a ready
 * row, its start event among the plan's. Tool calls never travel this way: their claim is the durable record that they started.
 */
export function eagerPlan(
  plan: Plan,
  ctx: Pick<EngineContext, 'ids'>,
  seatFor: (pool: 'reason') => boolean,
): { plan: Plan; eager: EagerTask | null } {
  const [task] = plan.tasks;
  if (plan.tasks.length !== 1 || task === undefined || task.pool !== 'reason' || !seatFor('reason')) return { plan, eager: null };
  const token = ctx.ids.random();
  const { start, context } = task.payload;
  const started = { type: start.type, context, data: { ...start.data, attempt: 1 } };
  return {
    plan: { ...plan, tasks: [], leases: [{ ...task, token }], events: [...plan.events, started] },
    eager: { draft: task, token, state: plan.state, revision: 0 },
  };
}
