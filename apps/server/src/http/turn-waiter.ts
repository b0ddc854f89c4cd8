import type { TurnOutcome, TurnWaiter } from '../services/messages.ts';
import type { Streams, TurnEnd } from '../stream/port.ts';

/** Waiting for a turn through the event pipeline: the wait counts as a stream from before the message is posted. */
export function waitThroughStreams(streams: Pick<Streams, 'openTurnWait'>): TurnWaiter {
  return {
    async open(scope, sessionId) {
      const wait = await streams.openTurnWait(scope, sessionId);
      return {
        ended: async (at) => outcomeOf(await wait.ended(at)),
        close: () => wait.close(),
      };
    },
  };
}

function outcomeOf(end: TurnEnd | null): TurnOutcome {
  if (end === null) return { status: 'running' };
  if (end.status === 'completed') return { status: 'completed' };
  return {
    status: 'failed',
    error: { code: end.errorCode ?? end.type.replace('.', '_'), message: end.error ?? `The turn ended with ${end.type}.` },
  };
}
