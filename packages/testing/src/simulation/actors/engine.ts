import type { Task } from '../base/task.ts';
import type { BeatResult } from '../statements/instances.ts';
import { SqlError } from '../store/tx.ts';
import type { Instance } from './instance.ts';
import { endOverdue, endUnstarted, fireTimers, recoverOrphans } from './recovery.ts';

/** What a beat found to be due. Each part is independent of the others. */
export function* runDue(ctx: Instance, result: BeatResult): Task<void> {
  ctx.breakers.observe(result.breakers);
  const fired = result.timersDue ? yield* tried(fireTimers(ctx)) : true;
  if (result.leasesOverdue) yield* tried(endOverdue(ctx));
  if (result.readyOverdue) yield* tried(endUnstarted(ctx));
  if (result.leasesOrphaned && !ctx.inGrace()) yield* tried(recoverOrphans(ctx));
  else if (result.leasesOrphaned) ctx.soon(500);
  if (!ctx.world.faults.has('wakeup_forgotten')) ctx.dispatcher.poke(new Set(result.readyPools));
  // A timer that cannot be fired waits for the next beat, or it would be tried without a pause.
  if (result.nextTimerMs !== null && fired === true) ctx.soon(Math.ceil(result.nextTimerMs));
}

function* tried(work: Task<boolean | void>): Task<boolean | void> {
  try {
    return yield* work;
  } catch (error) {
    if (!(error instanceof SqlError)) throw error;
    return false;
  }
}
