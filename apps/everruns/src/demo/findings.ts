import type { DurableEvent } from '@everruns/contract';

/** What was done to the turn, and when: milliseconds since the epoch. */
export interface Kill {
  worker: string;
  atMs: number;
}

export interface Finding {
  line: string;
  good: boolean;
}

/**
 * What the log and the ledger say after the turn. Only these count: the screen showed what it was sent, the log is what remains.
 *
 * @param ledger ids of the calls that were booked, in order
 */
export function findingsOf(log: readonly DurableEvent[], ledger: readonly string[], kill: Kill): Finding[] {
  return [sequences(log), ending(log), calls(log), booked(log, ledger), takeover(log, kill)];
}

function sequences(log: readonly DurableEvent[]): Finding {
  const good = log.length > 0 && log.every((event, index) => event.sequence === index + 1);
  return {
    good,
    line: `The log has ${log.length} events, numbered 1 to ${log.at(-1)?.sequence ?? 0} ${good ? 'without a gap' : 'WITH GAPS'}.`,
  };
}

function ending(log: readonly DurableEvent[]): Finding {
  const ends = log.filter((event) => /^turn\.(completed|failed|cancelled|sealed)$/.test(event.type)).map((event) => event.type);
  const good = ends.length === 1 && ends[0] === 'turn.completed' && log.at(-1)?.type === 'session.idled';
  return { good, line: `The turn ended ${ends.length === 1 ? 'once' : `${ends.length} times`}: ${ends.join(', ') || 'never'}.` };
}

function calls(log: readonly DurableEvent[]): Finding {
  const asked = log
    .filter((event) => event.type === 'output.message.completed')
    .flatMap((event) => (event.data['message'] as { content: { type: string; id?: string }[] }).content)
    .flatMap((part) => (part.type === 'tool_call' ? [part.id] : []));
  const settled = log.filter((event) => event.type === 'tool.completed').map((event) => event.data['tool_call_id']);
  const once = asked.every((id) => settled.filter((other) => other === id).length === 1);
  const good = once && asked.length > 0 && settled.length === asked.length;
  return {
    good,
    line: `${asked.length} tool calls were made, and ${good ? 'each was settled exactly once' : `${settled.length} were settled`}.`,
  };
}

function booked(log: readonly DurableEvent[], ledger: readonly string[]): Finding {
  const asked = log
    .filter((event) => event.type === 'tool.completed' && event.data['tool_name'] === 'book')
    .map((event) => String(event.data['tool_call_id']));
  const good =
    asked.length > 0 &&
    asked.length === ledger.length &&
    asked.every((id) => ledger.includes(id)) &&
    new Set(ledger).size === ledger.length;
  return {
    good,
    line: `${asked.length} bookings were asked for, and the ledger outside has ${ledger.length}, ${good ? 'each once' : 'NOT each once'}.`,
  };
}

function takeover(log: readonly DurableEvent[], { worker, atMs }: Kill): Finding {
  const next = log.find((event) => Date.parse(event.ts) > atMs);
  const recovered = log.some((event) => event.type === 'reason.recovered' && Date.parse(event.ts) > atMs);
  const good = next !== undefined && recovered;
  const when =
    next === undefined ? 'nothing followed' : `${Date.parse(next.ts) - atMs} ms later the other worker had the turn (${next.type})`;
  return { good, line: `${worker} was killed with SIGKILL in the middle of an answer; ${when}.` };
}
