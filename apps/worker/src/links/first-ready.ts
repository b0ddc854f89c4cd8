import { connectivityState, type Channel } from '@grpc/grpc-js';

/** A later address waits this long for an earlier one that is still connecting. */
const PREFERENCE_MS = 50;

/**
 * Index of the first channel that gets ready, the earlier in the list the better. Rejects when every one of them has failed, or with the
 * signal's reason.
 */
export async function firstReady(channels: readonly Channel[], signal: AbortSignal): Promise<number> {
  const stop = new AbortController();
  const ended = AbortSignal.any([signal, stop.signal]);
  const pending = new Set(channels.keys());
  const ready = new Set<number>();
  try {
    return await new Promise<number>((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
      const decide = (isFinal: boolean) => {
        const best = Math.min(...ready);
        if (Number.isFinite(best) && (isFinal || [...pending].every((index) => index > best))) resolve(best);
        else if (pending.size === 0 && ready.size === 0) reject(new Error('not reachable'));
      };
      channels.forEach((channel, index) => {
        void whenSettled(channel, ended).then((isReady) => {
          pending.delete(index);
          if (isReady && ready.add(index).size === 1) setTimeout(() => decide(true), PREFERENCE_MS).unref();
          decide(false);
        });
      });
    });
  } finally {
    stop.abort();
  }
}

/** True once the channel is connected, false when its first attempt failed or the signal aborts. */
async function whenSettled(channel: Channel, signal: AbortSignal): Promise<boolean> {
  for (;;) {
    const state = channel.getConnectivityState(true);
    if (state === connectivityState.READY) return true;
    if (signal.aborted || state === connectivityState.TRANSIENT_FAILURE || state === connectivityState.SHUTDOWN) return false;
    await new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => resolve(), { once: true });
      channel.watchConnectivityState(state, Infinity, () => resolve());
    });
  }
}
