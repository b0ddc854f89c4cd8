import { PlatformError } from '@everruns/contract';
import type { TaskAnswer } from '@everruns/contract';
import { ENDED_TASK_STATES, endWait, holdLease, LeaseLostError, putOffCall, underHead, waitOfCall } from '@everruns/storage';
import type { HeldHead, Queryable, SessionTaskRow } from '@everruns/storage';
import type { LeaseScope } from '../../session-ops/scope.ts';
import { presentTask } from '../../services/present/task.ts';
import type { EngineContext } from '../context.ts';

/**
 * A call that waits for a task is put off: its lease goes back to `timers`, due when the time is over. The end of the task makes it due at once. It then
 * runs again, finds the task ended, and its answer is an ordinary result. Nothing is held meanwhile, and whoever dies takes nothing along.
 */

type Lease = LeaseScope['lease'];

/** Runs `work` under the head of the call's session while its lease stands. */
export async function underCall<T extends { answer: TaskAnswer }>(
  ctx: EngineContext,
  scope: LeaseScope,
  work: (held: HeldHead) => Promise<T>,
): Promise<T> {
  const done = await underHead(ctx.db, scope, async (held) => {
    // Gone also when an earlier attempt put the call off and its reply was lost: the call is over for its holder either way.
    if (!(await holdLease(held.tx, scope.lease, scope.sessionId))) throw new LeaseLostError('The lease has ended.');
    return work(held);
  });
  if (done === null) throw new PlatformError('not_found', 'There is no such session.');
  return done;
}

/** The task as it is, or the call put off until it ends. `waitMs` null does not wait. */
export async function waitOrAnswer(
  tx: Queryable,
  task: SessionTaskRow,
  { lease, waitMs }: { lease: Lease; waitMs: number | null },
): Promise<TaskAnswer> {
  const over = waitMs === null || ENDED_TASK_STATES.has(task.state);
  const timedOut = !over && (waitMs === 0 || (await waitOfCall(tx, lease.taskId))?.over === true);
  if (over || timedOut) {
    await endWait(tx, lease.taskId);
    return {
      parked: false,
      task: presentTask(task),
      ...(task.result === null ? {} : { result: task.result }),
      ...(timedOut ? { timed_out: true } : {}),
    };
  }
  if (!(await putOffCall(tx, lease, { taskId: task.id, waitMs }))) throw new LeaseLostError('The lease has ended.');
  return { parked: true };
}
