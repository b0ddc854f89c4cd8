import type { SessionEvent } from '@everruns/contract';

/** More of a text, and the whole of it so far. When a step begins again the text does too: then `text` is shorter than before. */
export interface TextUpdate {
  messageId: string | undefined;
  delta: string;
  text: string;
}

/** Puts the deltas of one kind together; told twice, or anew from the start, they come out right. */
export class TextAssembler {
  readonly #type: 'output.message.delta' | 'reason.thinking.delta';
  #text = '';
  #key: string | undefined;

  constructor(type: 'output.message.delta' | 'reason.thinking.delta') {
    this.#type = type;
  }

  /** Null for an event that says nothing new about the text. */
  add(event: SessionEvent): TextUpdate | null {
    if (event.type !== this.#type) return null;
    const { delta, offset, message_id: messageId, attempt } = event.data;
    const key = `${messageId ?? event.data.turn_id}:${attempt ?? 0}`;
    if (key !== this.#key) this.#text = '';
    this.#key = key;
    if (delta === '' || offset > this.#text.length) return null; // a gap is closed by the whole message
    this.#text = this.#text.slice(0, offset) + delta;
    return { messageId, delta, text: this.#text };
  }

  /** The whole text is known: what no delta has told of it. Null when all of it has been told. */
  complete(messageId: string, whole: string): TextUpdate | null {
    const told = this.#key?.startsWith(`${messageId}:`) === true ? this.#text : '';
    this.#key = undefined;
    if (whole === told || whole === '') return null;
    return { messageId, delta: whole.startsWith(told) ? whole.slice(told.length) : whole, text: whole };
  }
}
