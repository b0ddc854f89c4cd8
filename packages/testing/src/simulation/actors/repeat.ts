import type { Uuid } from '@everruns/contract';
import { sleep } from '../base/task.ts';
import type { Task } from '../base/task.ts';
import { SqlError } from '../store/tx.ts';
import type { Instance } from './instance.ts';

const GIVE_UP_MS = 20_000;

/**
 * Repeats a write until its outcome is known; gives up when the database stays away. When a reply was lost, nobody was told of what the first
 * attempt left in the session's queue: it is looked up.
 */
export function* repeat<T>(ctx: Instance, write: () => Task<T>, sessionId?: Uuid): Task<T> {
  const { timeline } = ctx.world;
  const untilMs = timeline.nowMs + GIVE_UP_MS;
  for (let attempt = 0, pauseMs = 20; ; attempt++, pauseMs = Math.min(pauseMs * 2, 500)) {
    try {
      const result = yield* write();
      if (attempt > 0 && sessionId !== undefined && !ctx.world.faults.has('wakeup_forgotten')) ctx.dispatcher.poke();
      return result;
    } catch (error) {
      if (!(error instanceof SqlError) || !(error.transient || error.outcomeUnknown) || timeline.nowMs >= untilMs) throw error;
      yield* sleep(timeline, pauseMs);
    }
  }
}
