import type { LogEntry } from './log-entry.ts';

/** The last events of one session, without gaps: at most so many, at most so many bytes, but always the newest one. */
export class Ring {
  readonly #maxEvents: number;
  readonly #maxBytes: number;
  #entries: LogEntry[] = [];
  #bytes = 0;

  constructor(maxEvents: number, maxBytes: number) {
    this.#maxEvents = maxEvents;
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The caller sees to it that the entry follows the last one. */
  push(entry: LogEntry): void {
    this.#entries.push(entry);
    this.#bytes += entry.frame.length;
    let drop = 0;
    while (this.#entries.length - drop > 1 && (this.#entries.length - drop > this.#maxEvents || this.#bytes > this.#maxBytes)) {
      this.#bytes -= (this.#entries[drop] as LogEntry).frame.length;
      drop += 1;
    }
    if (drop > 0) this.#entries = this.#entries.slice(drop);
  }

  get(sequence: number): LogEntry | null {
    const first = this.#entries[0];
    return first === undefined ? null : (this.#entries[sequence - first.sequence] ?? null);
  }

  clear(): void {
    this.#entries = [];
    this.#bytes = 0;
  }
}
