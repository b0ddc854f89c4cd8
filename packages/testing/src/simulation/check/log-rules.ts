import type { Uuid } from '@everruns/contract';
import { TURN_END_TYPES } from '@everruns/contract';
import { short } from '../base/ids.ts';
import { messageIdOf } from '../statements/accept.ts';
import type { EventRow, HeadRow, Tables, TaskRow } from '../store/tables.ts';
import type { Write } from '../store/tx.ts';
import type { Violations } from './violations.ts';

const ENDS: ReadonlySet<string> = new Set(TURN_END_TYPES);

interface TurnLog {
  started: boolean;
  ended: string | null;
  idled: boolean;
}

/** Rules of the log, checked with every commit that writes to it. */
export class LogRules {
  readonly turns = new Map<Uuid, TurnLog>();
  /** Message ids and clients' keys in the log. */
  readonly stored = new Set<string>();
  readonly #tables: Tables;
  readonly #violations: Violations;
  readonly #lastSeq = new Map<Uuid, number>();
  /** Where the last reason step of a session started. */
  readonly #lastReason = new Map<Uuid, number>();
  readonly #completedCalls = new Set<string>();
  readonly #cancels = new Set<string>();

  constructor(tables: Tables, violations: Violations) {
    this.#tables = tables;
    this.#violations = violations;
  }

  /** The events of one commit, in log order. */
  committed(events: readonly EventRow[], writes: readonly Write[]): void {
    for (const event of events) {
      this.#sequence(event);
      this.#turn(event);
      if (event.type === 'reason.started' || event.type === 'reason.recovered') this.#lastReason.set(event.sessionId, event.seq);
      if (event.type === 'input.message') this.#input(event);
      if (event.type === 'tool.completed') this.#once(this.#completedCalls, `${event.turnId}/${String(event.data['tool_call_id'])}`, event);
      if (event.type === 'turn.cancelled') this.#once(this.#cancels, String(event.data['reason']), event);
    }
    if (!gaveUpUnstarted(writes)) this.#nothingUnread(events);
  }

  #sequence(event: EventRow): void {
    const before = this.#lastSeq.get(event.sessionId) ?? 0;
    this.#violations.check(event.seq === before + 1, () => `sequence ${event.seq} of ${event.type} follows ${before}`);
    this.#lastSeq.set(event.sessionId, event.seq);
  }

  #turn(event: EventRow): void {
    const turn = this.turns.get(event.turnId) ?? { started: false, ended: null, idled: false };
    this.turns.set(event.turnId, turn);
    const name = short(event.turnId);
    const say = (what: string) => () => `turn ${name} ${what} at sequence ${event.seq}`;
    if (event.type === 'turn.started') {
      this.#violations.check(!turn.started, say('started twice'));
      turn.started = true;
    } else if (ENDS.has(event.type)) {
      this.#violations.check(turn.ended === null, say(`ended twice, ${turn.ended} and ${event.type}`));
      turn.ended = event.type;
    } else if (turn.ended !== null) {
      this.#violations.check(event.type === 'session.idled' && !turn.idled, say(`has ${event.type} after its end`));
      turn.idled = true;
    }
  }

  #input(event: EventRow): void {
    const message = event.data['message'] as { metadata?: { key?: string; kind?: string } };
    if (message.metadata?.kind === 'cancel_note') return;
    this.#once(this.stored, messageIdOf(event) as string, event);
    if (message.metadata?.key !== undefined) this.#once(this.stored, message.metadata.key, event);
    const head = this.#tables.heads.get(event.sessionId) as HeadRow;
    this.#violations.check(head.turnId !== null, () => `message at sequence ${event.seq} was accepted without a turn`);
  }

  #once(seen: Set<string>, key: string, event: EventRow): void {
    this.#violations.check(!seen.has(key), () => `${event.type} twice for ${key}, again at sequence ${event.seq}`);
    seen.add(key);
  }

  /** The step that ends a turn has seen every input; one that is given up had at least started after the last one. A cancel is meant. */
  #nothingUnread(events: readonly EventRow[]): void {
    const end = events.find((event) => ENDS.has(event.type));
    if (end === undefined || end.type === 'turn.cancelled') return;
    const generation = events.find((event) => event.type === 'llm.generation');
    const seen = generation === undefined ? this.#lastReason.get(end.sessionId) : generation.data['messages_through_sequence'];
    const { lastInputSeq } = this.#tables.heads.get(end.sessionId) as HeadRow;
    this.#violations.check((seen as number) >= lastInputSeq, () => {
      return `${end.type} at sequence ${end.seq} has seen ${String(seen)} of input ${lastInputSeq}`;
    });
  }
}

/** Was a reason step taken out of the queue because no worker took it in time? Nobody has read its message, and nobody would in the next step. */
function gaveUpUnstarted(writes: readonly Write[]): boolean {
  const taken = writes.filter((write) => write.table === 'ready' && write.after === null);
  return taken.some((write) => (write.before as TaskRow).callId === null) && !writes.some((write) => write.table === 'leases');
}
