import type { Uuid } from '@everruns/contract';
import type { TextMark } from '@everruns/storage';
import { TURN_END_TYPES } from '@everruns/contract';
import { DeltaFrames } from './frames.ts';

/** A text that is being written, as far as this instance knows it: always from its beginning, without holes. */
export interface LiveText {
  readonly sessionId: Uuid;
  readonly stream: 'output' | 'thinking';
  readonly messageId: Uuid;
  /** Public id. */
  readonly turnId: string;
  readonly attempt: number;
  /** Sequence of its `...started` event: the name of the text. */
  readonly startedSequence: number;
  text: string;
  touchedMs: number;
  /** A worker of this instance writes it (or did): the others get it from here. */
  relayed: boolean;
  readonly frames: DeltaFrames;
}

export interface Piece {
  sessionId: Uuid;
  stream: 'output' | 'thinking';
  messageId: Uuid;
  turnId: string;
  attempt: number;
  startedSequence: number;
  offset: number;
  text: string;
  /** It came from a worker of this instance, not from another instance. */
  relayed?: boolean;
}

/** `gap`: text before this piece is missing. `stale`: the text is over, or a newer one has taken its place. */
export type Appended = 'appended' | 'known' | 'gap' | 'stale';

interface SessionTexts {
  output: LiveText | null;
  thinking: LiveText | null;
  /** Texts that started before these sequences are over. */
  overBefore: { output: number; thinking: number };
}

const STREAMS = ['output', 'thinking'] as const;
const TURN_ENDS: ReadonlySet<string> = new Set<string>(TURN_END_TYPES);

/** The open texts of all sessions that this instance watches or relays. */
export class LiveTexts {
  readonly #sessions = new Map<Uuid, SessionTexts>();
  readonly #nowMs: () => number;
  #units = 0;
  #count = 0;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  get units(): number {
    return this.#units;
  }

  get count(): number {
    return this.#count;
  }

  of(sessionId: Uuid, stream: 'output' | 'thinking'): LiveText | null {
    return this.#sessions.get(sessionId)?.[stream] ?? null;
  }

  all(): LiveText[] {
    return [...this.#sessions.values()].flatMap((texts) => STREAMS.flatMap((stream) => texts[stream] ?? []));
  }

  append(piece: Piece): Appended {
    const known = this.#sessions.get(piece.sessionId);
    const current = known?.[piece.stream] ?? null;
    const newest = Math.max(known?.overBefore[piece.stream] ?? 0, current?.startedSequence ?? 0);
    if (piece.startedSequence < newest) return 'stale';
    if (current !== null && current.startedSequence === piece.startedSequence) return this.#extend(current, piece);
    if (piece.offset > 0) return 'gap';
    const texts = known ?? this.#create(piece.sessionId);
    this.#replace(texts, piece.stream, {
      sessionId: piece.sessionId,
      stream: piece.stream,
      messageId: piece.messageId,
      turnId: piece.turnId,
      attempt: piece.attempt,
      startedSequence: piece.startedSequence,
      text: piece.text,
      touchedMs: this.#nowMs(),
      relayed: piece.relayed === true,
      frames: new DeltaFrames(),
    });
    return 'appended';
  }

  #extend(text: LiveText, piece: Piece): Appended {
    if (piece.relayed === true) text.relayed = true;
    if (piece.offset > text.text.length) return 'gap';
    const fresh = piece.text.slice(text.text.length - piece.offset);
    if (fresh === '') return 'known';
    text.text += fresh;
    text.touchedMs = this.#nowMs();
    this.#units += fresh.length;
    return 'appended';
  }

  /** Applies what an event of the log says about open texts; in any order, and twice. */
  apply(sessionId: Uuid, mark: TextMark): void {
    const texts = this.#sessions.get(sessionId);
    if (texts === undefined) return;
    for (const stream of STREAMS) {
      if (!endsTexts(mark, stream, texts[stream])) continue;
      texts.overBefore[stream] = Math.max(texts.overBefore[stream], mark.sequence);
      const text = texts[stream];
      if (text !== null && text.startedSequence < mark.sequence) this.#replace(texts, stream, null);
    }
  }

  /** Remembers which texts of a session are over, from now until `forget`. */
  hold(sessionId: Uuid): void {
    if (!this.#sessions.has(sessionId)) this.#create(sessionId);
  }

  /** Nobody here watches the session any more: what is over need not be remembered. */
  release(sessionId: Uuid): void {
    const texts = this.#sessions.get(sessionId);
    if (texts !== undefined && texts.output === null && texts.thinking === null) this.#sessions.delete(sessionId);
  }

  forget(sessionId: Uuid): void {
    const texts = this.#sessions.get(sessionId);
    if (texts === undefined) return;
    for (const stream of STREAMS) this.#replace(texts, stream, null);
    this.#sessions.delete(sessionId);
  }

  /**
   * Lets go of texts that nobody here watches: those that have not grown for `idleMs`, and the oldest ones until at most `maxUnits` are
   * kept. Whoever needs one later gets it from its holder, or with the completed event.
   */
  prune(limits: { idleMs: number; maxUnits: number }, watched: (sessionId: Uuid) => boolean): void {
    const oldest = this.#nowMs() - limits.idleMs;
    const loose = this.all()
      .filter((text) => !watched(text.sessionId))
      .sort((a, b) => a.touchedMs - b.touchedMs);
    for (const text of loose) {
      if (text.touchedMs > oldest && this.#units <= limits.maxUnits) break;
      const texts = this.#sessions.get(text.sessionId) as SessionTexts;
      this.#replace(texts, text.stream, null);
      this.release(text.sessionId);
    }
  }

  #create(sessionId: Uuid): SessionTexts {
    const texts: SessionTexts = { output: null, thinking: null, overBefore: { output: 0, thinking: 0 } };
    this.#sessions.set(sessionId, texts);
    return texts;
  }

  #replace(texts: SessionTexts, stream: 'output' | 'thinking', next: LiveText | null): void {
    const current = texts[stream];
    this.#units += (next?.text.length ?? 0) - (current?.text.length ?? 0);
    this.#count += (next === null ? 0 : 1) - (current === null ? 0 : 1);
    texts[stream] = next;
  }
}

/** Does the event end texts of this stream that started before it? `text` is the one in question, if it is known. */
export function endsTexts(mark: TextMark, stream: 'output' | 'thinking', text: { messageId: Uuid } | null): boolean {
  switch (mark.type) {
    case 'reason.started':
    case 'reason.recovered':
    case 'llm.generation':
      return true;
    case 'output.message.started':
    case 'output.message.replaced':
      return stream === 'output';
    case 'reason.thinking.started':
    case 'reason.thinking.completed':
      return stream === 'thinking';
    case 'output.message.completed':
      return (
        stream === 'output' && (text === null || mark.messageId === null || mark.messageId.endsWith(text.messageId.replaceAll('-', '')))
      );
    default:
      return TURN_ENDS.has(mark.type);
  }
}
