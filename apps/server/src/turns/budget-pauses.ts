import { fromPublicId } from '@everruns/contract';
import type { TaskFailure, Uuid } from '@everruns/contract';
import { decideBudgetPause, decideBudgetResume } from '@everruns/engine';
import type { TurnState } from '@everruns/engine';
import {
  budgetsById,
  chargeHolds,
  dropBudgetPauses,
  dropLease,
  dueBudgetPauses,
  fitsBudget,
  parkForBudget,
  requeueLease,
  settleHolds,
  staysParked,
  unparkForBudget,
} from '@everruns/storage';
import type { BudgetPause } from '@everruns/storage';
import { budgetNotice } from '../services/present/budget.ts';
import type { Attachment } from './attachment.ts';
import { repeat, wake } from './context.ts';
import type { EngineContext } from './context.ts';
import { forEach } from './for-each.ts';
import { decideUnderHead, liveWorkflow, requeue } from './lease-ends.ts';
import { leaseOf } from './task-record.ts';
import type { TaskRecord } from './task-record.ts';

/** Turns that wait for a budget. */

/** After which a step asks again when others were at work with what was left. */
const BUSY_MS = 2_000;

/** A model call was refused before it was made: the step waits for room, without a lease. */
export async function pauseForBudget(
  ctx: EngineContext,
  { record, attachment }: { record: TaskRecord; attachment: Attachment },
  failure: TaskFailure,
): Promise<void> {
  const lease = leaseOf(record, attachment);
  const { taskId, token, losses, failures } = lease;
  const charges = failure.charges ?? [];
  const { code, budget, needed_units: needed = 0 } = failure.budget ?? { code: 'busy' as const };
  const budgetId = budget === undefined ? null : fromPublicId('budget', budget.budget_id);
  if (code === 'busy' || budget === undefined || budgetId === null) {
    await repeat(ctx, () => chargeHolds(ctx.db, token, charges));
    await requeue(ctx, { lease, losses, failures, delayMs: BUSY_MS });
    return;
  }
  let standing = false;
  let requeued = false;
  await decideUnderHead(ctx, record.sessionId, async (held) => {
    const workflow = await liveWorkflow(ctx, held, record.workflowId);
    standing = workflow !== null;
    if (workflow === null || !workflow.leases.some((found) => found.token === token)) return null;
    await chargeHolds(held.tx, token, charges);
    await settleHolds(held.tx, token);
    // Whoever made room meanwhile found nobody waiting. From here on nobody makes any until this is committed.
    if (await fitsBudget(held.tx, budgetId, needed)) {
      requeued = await requeueLease(held.tx, { lease, losses, failures, delayMs: 0 });
      return null;
    }
    if (!(await parkForBudget(held.tx, { taskId, token, budgetId, needed }))) return null;
    return { workflow, plan: decideBudgetPause(workflow.state as TurnState, code, budget) };
  });
  if (!standing) await repeat(ctx, () => dropLease(ctx.db, lease));
  if (requeued) wake(ctx, ['reason']);
}

/** Lets turns whose budget has changed, or begun another period, look again. */
export function duePauses(ctx: EngineContext, limit: number): Promise<BudgetPause[]> {
  return dueBudgetPauses(ctx.db, limit);
}

export async function endPause(ctx: EngineContext, pause: BudgetPause): Promise<void> {
  let over = true;
  let waits = false;
  await decideUnderHead(ctx, pause.sessionId, async (held) => {
    const workflow = await liveWorkflow(ctx, held, pause.workflowId);
    over = workflow === null;
    if (workflow === null) return null;
    waits = await staysParked(held.tx, pause.workflowId);
    if (waits) return null;
    const budgets: Uuid[] = await unparkForBudget(held.tx, pause.workflowId);
    if (budgets.length === 0) return null;
    const rows = await budgetsById(held.tx, workflow.orgId, budgets);
    return { workflow, plan: decideBudgetResume(workflow.state as TurnState, rows.map(budgetNotice)) };
  });
  if (over) await repeat(ctx, () => dropBudgetPauses(ctx.db, pause.workflowId));
  else if (!waits) wake(ctx, ['reason']);
}

const SWEEP = 200;

/** Turns that waited for a budget look again, when it has changed or begun another period. True when something failed. */
export async function endPauses(ctx: EngineContext): Promise<boolean> {
  return forEach(ctx, await duePauses(ctx, SWEEP), (pause) => endPause(ctx, pause));
}
