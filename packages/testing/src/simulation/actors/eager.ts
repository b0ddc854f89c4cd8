import type { Uuid } from '@everruns/contract';
import type { Plan, TaskDraft } from '@everruns/engine';
import type { Instance } from './instance.ts';

/** A task that was leased together with the completion before it. */
export interface EagerTask {
  draft: TaskDraft;
  token: Uuid;
}

/** Can this completion be answered with the workflow's next task? */
export type SeatFor = (pool: 'reason') => boolean;

/** The next reason step goes to the worker that has just completed one: its lease instead of a ready row, its start event with the plan's. */
export function eagerPlan(plan: Plan, ctx: Instance, seatFor: SeatFor): { plan: Plan; eager: EagerTask | null } {
  const [task] = plan.tasks;
  if (plan.tasks.length !== 1 || task === undefined || task.pool !== 'reason' || !seatFor('reason')) return { plan, eager: null };
  const token = ctx.world.ids.named('b');
  const { start, context } = task.payload;
  const started = { type: start.type, context, data: { ...start.data, attempt: 1 } };
  return {
    plan: { ...plan, tasks: [], leases: [{ ...task, token }], events: [...plan.events, started] },
    eager: { draft: task, token },
  };
}
