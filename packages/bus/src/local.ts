import type { Hint } from './hint.ts';
import type { HintTransport } from './bus.ts';

/** Carries hints between instances of one process. */
export interface LocalExchange {
  transport(): HintTransport;
}

export function createLocalExchange(): LocalExchange {
  const members = new Set<(hint: Hint) => void>();
  return {
    transport() {
      const listeners = new Set<(hint: Hint) => void>();
      const deliver = (hint: Hint): void => {
        for (const listener of listeners) listener(hint);
      };
      members.add(deliver);
      return {
        async send(hint) {
          await Promise.resolve();
          for (const member of members) if (member !== deliver) member(hint);
        },
        onHint(listener) {
          listeners.add(listener);
          return () => void listeners.delete(listener);
        },
        onOpened: () => () => undefined,
        probe: () => undefined,
        async close() {
          members.delete(deliver);
        },
      };
    },
  };
}
