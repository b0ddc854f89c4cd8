import { StartError } from './errors.ts';
import type { Runtime } from './local.ts';

/** One Ctrl-C arrives several times: from the terminal, and forwarded by npm and by the bootstrap script. */
const SAME_SIGNAL_MS = 1_000;

/**
 * Runs until a signal, a failure, or the end of the process that started this one. Returns the exit code: 0 after a stop in order, 1 with one
 * line when it could not start or go on.
 */
export async function runUntilStopped(start: (signal: AbortSignal) => Promise<Runtime>, say: (line: string) => void): Promise<number> {
  const stop = new AbortController();
  let runtime: Runtime | undefined;
  let askedAt: number | undefined;
  const onSignal = () => {
    const now = performance.now();
    if (askedAt === undefined) say('Stopping ... (once more to stop at once)');
    else if (now - askedAt > SAME_SIGNAL_MS) {
      runtime?.kill();
      process.exit(1);
    }
    askedAt ??= now;
    stop.abort();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
  process.on('disconnect', onSignal);
  process.channel?.unref();
  try {
    runtime = await start(stop.signal);
    const failure = await Promise.race([runtime.failed, aborted(stop.signal)]);
    await runtime.stop();
    if (failure === undefined) return 0;
    say(failure.message);
    return 1;
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    if (stop.signal.aborted) return 0;
    say(error.message);
    return 1;
  }
}

function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    else signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });
}
