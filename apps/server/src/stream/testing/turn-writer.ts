import type { DurableEvent, Uuid } from '@everruns/contract';
import { toPublicId } from '@everruns/contract';
import type { CommitFeed, TextDelta } from '../port.ts';
import type { Draft } from './memory-log.ts';
import type { Chance } from './virtual-time.ts';

/** An instance as the engine and a worker use it: it is told of commits, and text goes through it. */
export interface Relay extends Pick<CommitFeed, 'committed' | 'delta'> {
  isAlive(): boolean;
}

export interface WriterWorld {
  chance: Chance;
  /** Nothing is committed between the beginning of a text and its end. */
  quiet?: boolean;
  sleep: (ms: number) => Promise<void>;
  later: (ms: number, work: () => void) => void;
  uuid: () => Uuid;
  commit: (sessionId: Uuid, drafts: readonly Draft[]) => Promise<DurableEvent[]>;
  /** Any living instance. */
  relay: () => Relay;
}

interface WrittenText {
  stream: 'output' | 'thinking';
  messageId: Uuid;
  attempt: number;
  started: number;
  text: string;
}

type Outcome = 'done' | 'lost' | 'cancelled';
type EventPair = readonly [Draft['type'], Record<string, unknown>];

const CHARACTERS = ['a', 'b', ' ', 'ü', '🙂', '"', '\\', '\n', '界'];

/**
 * Writes one turn as engine and worker do, with everything that may happen on the way: steering, a worker that attaches elsewhere, a worker
 * that is lost and goes on writing as a zombie, cancels, commits that are told late, out of order or, when their instance died, never.
 */
export class TurnWriter {
  readonly #world: WriterWorld;
  readonly #sessionId: Uuid;
  readonly #turnId: Uuid;
  #relay: Relay;

  constructor(world: WriterWorld, sessionId: Uuid) {
    this.#world = world;
    this.#sessionId = sessionId;
    this.#turnId = world.uuid();
    this.#relay = world.relay();
  }

  async write(): Promise<void> {
    const { chance, sleep } = this.#world;
    await this.#commit(['input.message', {}], ['turn.started', {}], ['session.activated', {}]);
    for (let step = chance.int(1, 3); step > 0; step--) {
      await sleep(chance.next() * 60);
      if (!(await this.#step())) return;
    }
    await this.#commit(['turn.completed', {}], ['session.idled', {}]);
  }

  /** Sequence of the first event. */
  async #commit(...events: EventPair[]): Promise<number> {
    const { chance, commit, later, relay } = this.#world;
    const context = { turn_id: toPublicId('turn', this.#turnId) };
    const written = await commit(
      this.#sessionId,
      events.map(([type, data]) => ({ type, data, context })),
    );
    const at = this.#relay.isAlive() && chance.is(0.7) ? this.#relay : relay();
    later(chance.next() * 2, () => at.isAlive() && at.committed(this.#sessionId, written));
    return (written[0] as DurableEvent).sequence;
  }

  /** False when the turn was cancelled in the middle. */
  async #step(): Promise<boolean> {
    const { chance, sleep, relay, uuid } = this.#world;
    const messageId = uuid();
    await this.#commit(['reason.started', { attempt: 1 }]);
    for (let attempt = 1; ; attempt++) {
      const outcome = await this.#attempt(messageId, attempt);
      if (outcome === 'done') break;
      if (outcome === 'cancelled') return false;
      await sleep(chance.next() * 400);
      await this.#commit(['reason.recovered', { attempt: attempt + 1, mode: 'restart', accumulated_len: 0 }]);
      this.#relay = relay();
    }
    if (chance.is(0.4)) await this.#commit(['act.started', {}], ['tool.started', {}]);
    if (chance.is(0.4)) await this.#commit(['tool.completed', {}], ['act.completed', {}]);
    return true;
  }

  async #attempt(messageId: Uuid, attempt: number): Promise<Outcome> {
    const { chance } = this.#world;
    if (chance.is(0.5)) {
      const started = await this.#commit(['reason.thinking.started', {}]);
      const thinking = this.#text();
      const end = await this.#stream({ stream: 'thinking', messageId, attempt, started, text: thinking });
      if (end !== 'done') return end;
      await this.#commit(['reason.thinking.completed', { thinking }]);
    }
    const text = this.#text();
    const id = toPublicId('message', messageId);
    const content = [
      { type: 'text', text },
      { type: 'tool_call', id: 'x', name: 'y', arguments: {} },
    ];
    const completed: EventPair[] = [
      ['llm.generation', { messages: [], output: { text } }],
      ['reason.completed', {}],
      ['output.message.completed', { message: { id, role: 'agent', content } }],
    ];
    if (chance.is(0.15)) {
      await this.#commit(['output.message.started', { message_id: id }], ...completed);
      return 'done';
    }
    const started = await this.#commit(['output.message.started', { message_id: id }]);
    const end = await this.#stream({ stream: 'output', messageId, attempt, started, text });
    if (end === 'done') await this.#commit(...completed);
    return end;
  }

  #text(): string {
    const { chance } = this.#world;
    return Array.from({ length: chance.int(1, 60) }, () => chance.pick(CHARACTERS)).join('');
  }

  async #stream(what: WrittenText, before: WrittenText | null = null): Promise<Outcome> {
    const { chance, sleep, relay, quiet } = this.#world;
    const { text } = what;
    for (let offset = 0; offset < text.length;) {
      if (quiet !== true && what.stream === 'output' && offset > 0 && text.slice(0, offset).isWellFormed() && chance.is(0.05)) {
        const end = await this.#interrupt({ ...what, text: text.slice(0, offset) });
        if (end !== 'done') return end;
      }
      const piece = text.slice(offset, offset + chance.int(1, 9));
      this.#delta(what, offset, piece);
      offset += piece.length;
      await sleep(chance.next() * 40);
      if (quiet !== true && chance.is(0.05)) await this.#commit(['input.message', {}]);
      if (!this.#relay.isAlive() || chance.is(0.02)) {
        // The worker attaches elsewhere and writes what it has again.
        this.#relay = relay();
        if (before !== null) this.#delta(before, 0, before.text);
        this.#delta(what, 0, text.slice(0, offset));
      }
      if (chance.is(0.02)) {
        await this.#commit(['turn.cancelled', {}], ['session.idled', {}]);
        return 'cancelled';
      }
      if (chance.is(0.03)) {
        this.#zombie(what, offset);
        return 'lost';
      }
    }
    return 'done';
  }

  /** Thinking in the middle of a message; what was written of the message may be sent after the first of it. */
  async #interrupt(output: WrittenText): Promise<Outcome> {
    const { chance, later } = this.#world;
    const thinking = this.#text();
    const started = await this.#commit(['reason.thinking.started', { output_offset: output.text.length }]);
    const from = chance.int(0, output.text.length);
    const relay = this.#relay;
    later(chance.next() * 60, () => this.#send(relay, output, { offset: from, text: output.text.slice(from) }));
    const { messageId, attempt } = output;
    const end = await this.#stream({ stream: 'thinking', messageId, attempt, started, text: thinking }, output);
    if (end === 'done') await this.#commit(['reason.thinking.completed', { thinking }]);
    return end;
  }

  /** A worker that lost its lease goes on for a while. */
  #zombie(what: WrittenText, from: number): void {
    const { chance, later } = this.#world;
    const relay = this.#relay;
    const pause = chance.next() * 500;
    for (let offset = from; offset < what.text.length; offset += 5) {
      later(pause + offset, () => this.#send(relay, what, { offset, text: what.text.slice(offset, offset + 5) }));
    }
  }

  #delta(what: WrittenText, offset: number, text: string): void {
    const relay = this.#relay;
    this.#world.later(0.5, () => this.#send(relay, what, { offset, text }));
  }

  #send(relay: Relay, what: WrittenText, piece: Pick<TextDelta, 'offset' | 'text'>): void {
    if (!relay.isAlive()) return;
    const { stream, messageId, attempt, started } = what;
    relay.delta({ sessionId: this.#sessionId, turnId: this.#turnId, stream, messageId, attempt, startedSequence: started, ...piece });
  }
}
