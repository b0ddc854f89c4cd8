import type { Clock } from '../clock.ts';

/** At most one delta per this many milliseconds, after the first. */
export const DELTA_INTERVAL_MS = 100;

/** Batches the text of one stream: the first piece goes at once, later ones together every 100 ms. */
export class DeltaStream {
  readonly #clock: Clock;
  readonly #send: (offset: number, text: string) => void;
  #buffer = '';
  #offset = 0;
  #lastSentMs = Number.NEGATIVE_INFINITY;
  #cancelTimer: (() => void) | null = null;

  constructor(clock: Clock, send: (offset: number, text: string) => void) {
    this.#clock = clock;
    this.#send = send;
  }

  push(text: string): void {
    this.#buffer += text;
  }

  /** Sends what is due, and comes back for the rest by itself. */
  pump(): void {
    if (this.#buffer === '' || this.#cancelTimer !== null) return;
    const dueInMs = this.#lastSentMs + DELTA_INTERVAL_MS - this.#clock.nowMs();
    if (dueInMs <= 0) {
      this.#sendNow();
      return;
    }
    this.#cancelTimer = this.#clock.after(dueInMs, () => {
      this.#cancelTimer = null;
      this.#sendNow();
    });
  }

  /** Sends all that there is. */
  flush(): void {
    this.stop();
    this.#sendNow();
  }

  stop(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
  }

  /** Begins a new text at offset 0; what was not sent of the old one stays unsent. */
  restart(): void {
    this.stop();
    this.#buffer = '';
    this.#offset = 0;
    this.#lastSentMs = Number.NEGATIVE_INFINITY;
  }

  #sendNow(): void {
    // Half of a surrogate pair cannot travel as UTF-8; it waits for its other half.
    const end = endsInHighSurrogate(this.#buffer) ? this.#buffer.length - 1 : this.#buffer.length;
    if (end === 0) return;
    const text = this.#buffer.slice(0, end);
    this.#buffer = this.#buffer.slice(end);
    this.#lastSentMs = this.#clock.nowMs();
    this.#send(this.#offset, text);
    this.#offset += end;
  }
}

function endsInHighSurrogate(text: string): boolean {
  const last = text.charCodeAt(text.length - 1);
  return last >= 0xd800 && last <= 0xdbff;
}
