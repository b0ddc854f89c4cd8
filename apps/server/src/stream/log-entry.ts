import type { DurableEvent } from '@everruns/contract';
import { isTextMark } from '@everruns/storage';
import type { EventRow, TextMark } from '@everruns/storage';
import { eventFrame } from './frames.ts';

/** The whole text of a message or an episode of thinking, as the event has it that ends it. */
export interface FinalText {
  turnId: string;
  text: string;
}

/** A durable event on its way to streams. Its frame is made once, whoever asks for it. */
export class LogEntry {
  readonly sequence: number;
  readonly type: string;
  readonly #id: string;
  #json: string | null;
  #event: DurableEvent | null;
  #frame: Buffer | null = null;

  private constructor(row: Omit<EventRow, 'json'>, json: string | null, event: DurableEvent | null) {
    this.sequence = row.sequence;
    this.type = row.type;
    this.#id = row.id;
    this.#json = json;
    this.#event = event;
  }

  static fromRow(row: EventRow): LogEntry {
    return new LogEntry(row, row.json, null);
  }

  static fromEvent(event: DurableEvent): LogEntry {
    return new LogEntry(event, null, event);
  }

  get frame(): Buffer {
    if (this.#frame === null) {
      this.#frame = eventFrame(this.type, this.#id, this.#json ?? JSON.stringify(this.#event));
      // The frame holds it all; whoever needs the parts again parses them out of it.
      this.#json = null;
    }
    return this.#frame;
  }

  get event(): DurableEvent {
    this.#event ??= JSON.parse(this.#json ?? jsonOf(this.frame)) as DurableEvent;
    return this.#event;
  }

  /** What the event means for open texts; null for most. */
  get mark(): TextMark | null {
    if (!isTextMark(this.type)) return null;
    const { data } = this.event;
    const message = data['message'] as { id?: unknown } | undefined;
    const messageId = data['message_id'] ?? message?.id;
    return {
      sequence: this.sequence,
      type: this.type,
      messageId: typeof messageId === 'string' ? messageId : null,
      attempt: numberOrNull(data['attempt']),
      outputOffset: numberOrNull(data['output_offset']),
    };
  }

  /** Null for events that end no text. */
  get finalText(): FinalText | null {
    const { data, context } = this.event;
    const turnId = context.turn_id ?? '';
    if (this.type === 'reason.thinking.completed') return { turnId, text: typeof data['thinking'] === 'string' ? data['thinking'] : '' };
    if (this.type === 'llm.generation') {
      const { text } = (data['output'] ?? {}) as { text?: unknown };
      return { turnId, text: typeof text === 'string' ? text : '' };
    }
    if (this.type !== 'output.message.completed') return null;
    const { content } = data['message'] as { content: { type: string; text?: string }[] };
    return { turnId, text: content.map((part) => (part.type === 'text' ? (part.text ?? '') : '')).join('') };
  }
}

function numberOrNull(value: unknown): number | null {
  return typeof value === 'number' ? value : null;
}

function jsonOf(frame: Buffer): string {
  const text = frame.toString();
  return text.slice(text.indexOf('\ndata: ') + 7, -2);
}
