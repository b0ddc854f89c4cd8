import type { PlannedCall } from '@everruns/contract';

const MAX_JSON_CHARS = 4_096;
const CREDENTIAL = /pass(word|phrase)?$|secret|token$|api_?key|authorization|credential|private_?key/i;
const MAX_DEPTH = 8;

/** The arguments as the model wrote them. */
export function writtenArguments({ arguments: args, rewritten }: PlannedCall): unknown {
  if (rewritten === undefined) return args;
  const kept = Object.entries(args as Record<string, unknown>).filter(([key]) => rewritten.added?.includes(key) !== true);
  return { ...Object.fromEntries(kept), ...rewritten.from };
}

/**
 * What `tool.completed` says of arguments that hooks rewrote, so that people see what ran: bounded, and without what looks like a credential.
 * Nothing where the call ran as it was written, or not at all.
 */
export function executedArguments(call: PlannedCall): { executed_arguments?: unknown; executed_arguments_truncated?: true } {
  if (call.rewritten === undefined || call.problem !== undefined || call.answer !== undefined) return {};
  const shown = withoutCredentials(call.arguments, 0);
  if (JSON.stringify(shown).length <= MAX_JSON_CHARS) return { executed_arguments: shown };
  return { executed_arguments: {}, executed_arguments_truncated: true };
}

function withoutCredentials(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= MAX_DEPTH) return '[withheld]';
  if (Array.isArray(value)) return value.map((item) => withoutCredentials(item, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [key, CREDENTIAL.test(key) ? '[withheld]' : withoutCredentials(member, depth + 1)]),
  );
}
