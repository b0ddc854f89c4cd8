import { PlatformError } from '@everruns/contract';
import type { TurnWaiter } from '../services/messages.ts';
import type { Streams } from '../stream/port.ts';

/**
 * Waiting for a turn through the event pipeline. The message is posted before its wait is counted as a stream, so a refusal comes too late to
 * be an error: the client is told that the turn runs on.
 */
export function waitThroughStreams(streams: Pick<Streams, 'waitForTurn'>): TurnWaiter {
  return {
    open: (scope, sessionId) =>
      Promise.resolve({
        async ended({ sequence, timeoutMs, signal }) {
          const end = await streams.waitForTurn({ scope, sessionId, sequence, timeoutMs, signal }).catch((error: unknown) => {
            if (error instanceof PlatformError && error.code === 'too_many_streams') return null;
            throw error;
          });
          if (end === null) return { status: 'running' };
          if (end.status === 'completed') return { status: 'completed' };
          return {
            status: 'failed',
            error: { code: end.type.replace('.', '_'), message: end.error ?? `The turn ended with ${end.type}.` },
          };
        },
        close: () => undefined,
      }),
  };
}
