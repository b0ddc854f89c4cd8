import { PlatformError } from '@everruns/contract';
import type { Uuid } from '@everruns/contract';
import { decideRevival } from '@everruns/engine';
import type { TurnState } from '@everruns/engine';
import { findDeadLetter, lockDeadLetter, markRequeued, reviveWorkflow, underHead } from '@everruns/storage';
import type { Applied, HeldHead } from '@everruns/storage';
import { announce, decideContext, repeat } from './context.ts';
import type { EngineContext } from './context.ts';

/** A repetition after a lost reply has written nothing. */
const NOTHING: Applied = { events: [], dropped: [] };

/**
 * Runs a dead letter again, exactly once. A turn that ended stays ended in the log: its workflow is revived as a new turn over the same
 * input, from the step that died, with the task's options and error history. Answers the new task's id.
 */
export async function requeueDeadLetter(ctx: EngineContext, id: Uuid): Promise<{ taskId: Uuid }> {
  const dead = await findDeadLetter(ctx.db, id);
  if (dead === null) throw new PlatformError('not_found', 'There is no such dead letter.');
  const turnId = ctx.ids.next();
  let begun: Uuid | null = null;
  const write = async (held: HeldHead): Promise<{ applied: Applied; taskId: Uuid }> => {
    if (begun !== null && (await findDeadLetter(held.tx, id))?.requeuedAs === turnId) return { applied: NOTHING, taskId: begun };
    const letter = await lockDeadLetter(held.tx, id);
    if (letter === null) throw new PlatformError('wrong_state', 'This dead letter has been requeued already.');
    if (held.head.turnId !== null) {
      throw new PlatformError('wrong_state', 'The session is running another turn; try again when it is idle.');
    }
    const workflow = await held.workflow(letter.workflowId);
    if (workflow === null) throw new PlatformError('not_found', 'The workflow of this dead letter is no longer kept.');
    const revival = { turnId, options: letter.payload.options, errors: letter.errors };
    const plan = decideRevival(workflow.state as TurnState, revival, decideContext(ctx));
    await reviveWorkflow(held.tx, { from: workflow.id, as: turnId, state: plan.state, sessionId: dead.sessionId });
    await markRequeued(held.tx, { id, as: turnId });
    begun = plan.tasks[0]?.id as Uuid;
    return { applied: await held.apply(turnId, plan), taskId: begun };
  };
  const at = { sessionId: dead.sessionId, orgId: dead.orgId };
  const revived = await repeat(ctx, () => underHead(ctx.db, at, write), dead.sessionId);
  if (revived === null) throw new PlatformError('not_found', 'The session of this dead letter is gone.');
  announce(ctx, dead.sessionId, revived.applied, new Set(['reason']));
  return { taskId: revived.taskId };
}
