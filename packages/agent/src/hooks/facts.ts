import type { StoredMessage } from '@everruns/contract';
import { HookFailure } from './hooks.ts';

/**
 * Something that the model should know without asking. A fixed one stands in the prompt of its capability; one that depends on the time is
 * told after each input of a user, as of that input's own time, so that every later prompt says the same.
 */
export type Fact = { key: string; value: string } | { key: string; valueAt(at: Date, message: StoredMessage): string };

export interface FactOwner {
  ref: string;
  facts: readonly Fact[];
}

/** The block of the fixed facts; empty when there are none. */
export function fixedFacts(facts: readonly Fact[]): string {
  return block(facts.flatMap((fact) => ('value' in fact ? [[fact.key, fact.value] as const] : [])));
}

/** The history with the facts that depend on the time behind each input. Throws `HookFailure`. */
export function withTimedFacts(messages: readonly StoredMessage[], owners: readonly FactOwner[]): readonly StoredMessage[] {
  const timed = owners.flatMap(({ ref, facts }) => facts.flatMap((fact) => ('valueAt' in fact ? [{ ref, fact }] : [])));
  if (timed.length === 0) return messages;
  return messages.flatMap((message) => {
    if (message.role !== 'user') return [message];
    const at = new Date(message.created_at);
    const text = block(
      timed.map(({ ref, fact }) => {
        try {
          return [fact.key, fact.valueAt(at, message)] as const;
        } catch (error) {
          throw new HookFailure(ref, 'viewMessages', error);
        }
      }),
    );
    return [message, factsMessage(message, text)];
  });
}

function factsMessage({ created_at, sequence, id }: StoredMessage, text: string): StoredMessage {
  return { id: `${id}:facts`, role: 'user', content: [{ type: 'text', text }], created_at, sequence };
}

function block(facts: readonly (readonly [key: string, value: string])[]): string {
  return facts.length === 0 ? '' : `<facts>\n${facts.map(([key, value]) => `${key}: ${value}`).join('\n')}\n</facts>`;
}
