import { SCENARIOS } from './scenarios.ts';
import type { Scenario } from './scenarios.ts';
import type { Shot } from './victims.ts';

/**
 * Faults that are planted on the wire: the product is as it is, but what it says to PostgreSQL is changed. Each is a mistake that one could have
 * made, and the checker must notice it.
 */
export interface Mutant {
  id: string;
  /** What would be wrong with the product. */
  fault: string;
  /** Names of the statements that are changed, and how. A change that no longer applies is an error, not a pass. */
  statements: RegExp;
  change: readonly [from: string | RegExp, to: string];
  scenario: Scenario;
  /** The harm under which it shows; null when it shows without. */
  shot: ((shot: Shot) => boolean) | null;
}

const COMPLETIONS = /^complete_/;

const scenario = (name: string): Scenario => {
  const found = SCENARIOS.find((candidate) => candidate.name === name);
  if (found === undefined) throw new Error(`There is no scenario ${name}.`);
  return found;
};

/** All three calls end at the same moment, on whatever worker they are. */
const AT_ONCE: Scenario = {
  ...scenario('tools'),
  name: 'tools-at-once',
  turns: (ids) =>
    scenario('tools')
      .turns(ids)
      .map((turn) => ({
        ...turn,
        ...(turn.tool_calls && {
          tool_calls: turn.tool_calls.map((call) => ({
            ...call,
            arguments: { ...call.arguments, url: `${ids.effectsUrl}/effects?delay_ms=120` },
          })),
        }),
      })),
};

export const MUTANTS: readonly Mutant[] = [
  {
    id: 'lease-outlives-completion',
    fault: 'the lease is not part of what a completion ends: the condition on it is dropped',
    statements: COMPLETIONS,
    change: ['array[$2::uuid] as drop_tasks', 'array[]::uuid[] as drop_tasks'],
    scenario: scenario('tools'),
    shot: (shot) => shot.victim === 'worker' && shot.phase === 'after' && shot.point.label.startsWith('complete_') && shot.point.n === 2,
  },
  {
    id: 'sequence-by-max',
    fault: 'the next sequence is the highest one plus one, not the locked head',
    statements: COMPLETIONS,
    change: [/ok\.last_seq \+ e\.n\b/g, '(select coalesce(max(o.seq), 0) from events o where o.session_id = ok.session_id) + e.n'],
    scenario: AT_ONCE,
    shot: null,
  },
  {
    id: 'seen-not-checked',
    fault: 'a turn ends although a message came in that its prompt had not seen',
    statements: COMPLETIONS,
    change: ['h.last_input_seq > $5::int', 'h.last_input_seq > $5::int and false'],
    scenario: scenario('steering'),
    shot: null,
  },
  {
    id: 'wake-up-forgotten',
    fault: 'the last call of a batch wakes nobody',
    statements: COMPLETIONS,
    change: ["and w.open_calls = 1 then 'last'", "and w.open_calls = 0 then 'last'"],
    scenario: scenario('tools'),
    shot: null,
  },
  {
    id: 'message-key-forgotten',
    fault: 'a message that is sent again after a lost answer is stored again',
    statements: /^accept_message/,
    change: ['p.last_seq + 1 from p)', 'p.last_seq + 1 from p where false)'],
    scenario: scenario('text'),
    shot: (shot) => shot.victim === 'server' && shot.phase === 'lost' && shot.point.label.startsWith('accept_message'),
  },
  {
    id: 'effect-forgotten',
    fault: 'a call that is unsafe to repeat is leased as if it were not',
    statements: /^claim_tasks$/,
    change: ['v.losses, v.failures, v.step, v.call_id, v.effect, $4', "v.losses, v.failures, v.step, v.call_id, 'readonly', $4"],
    scenario: scenario('tools'),
    shot: (shot) => shot.victim === 'worker' && shot.phase === 'lost' && shot.point.label === 'effect unsafe',
  },
];

/** Puts a mutant on the wire. `applied` says whether its statement came by and could be changed. */
export function plant({ statements, change: [from, to] }: Mutant): {
  rewrite: (seen: { name: string; text: string }) => string;
  applied: () => boolean;
} {
  let applied = false;
  return {
    applied: () => applied,
    rewrite: ({ name, text }) => {
      if (!statements.test(name)) return text;
      const changed = text.replace(from, to);
      applied ||= changed !== text;
      return changed;
    },
  };
}
