import { isTransient, outcomeUnknown } from '@everruns/storage';

/** How long a write is repeated while the database is away before its caller is told. */
const GIVE_UP_MS = 20_000;

export interface RepeatOptions {
  signal?: AbortSignal;
  giveUpMs?: number;
  sleep?: (ms: number) => Promise<void>;
  nowMs?: () => number;
}

/**
 * Runs a write that can be repeated until its outcome is known: every write of the core recognises its own repetition, so a lost reply, a
 * cut connection and a restarting server are all answered by sending it again. Anything else is the caller's.
 */
export async function repeatUntilKnown<T>(write: (attempt: number) => Promise<T>, options: RepeatOptions = {}): Promise<T> {
  const sleep = options.sleep ?? ((ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms)));
  const now = options.nowMs ?? (() => performance.now());
  const until = now() + (options.giveUpMs ?? GIVE_UP_MS);
  for (let attempt = 0, pauseMs = 20; ; attempt++, pauseMs = Math.min(pauseMs * 2, 500)) {
    try {
      return await write(attempt);
    } catch (error) {
      const again = isTransient(error) || outcomeUnknown(error);
      if (!again || now() >= until || options.signal?.aborted === true) throw error;
      await sleep(pauseMs);
    }
  }
}
