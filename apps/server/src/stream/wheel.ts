/** Something that a wheel calls back. One object per stream, used again and again. */
export interface WheelEntry {
  due(): void;
  /** Set by the wheel. */
  slot?: number | null;
}

/** One timer for thousands of deadlines: entries come due in steps of `stepMs`, never early. */
export class Wheel {
  readonly #stepMs: number;
  readonly #nowMs: () => number;
  readonly #after: (delayMs: number, callback: () => void) => () => void;
  readonly #slots = new Map<number, Set<WheelEntry>>();
  #cursor = 0;
  #stop: (() => void) | null = null;

  constructor(options: { stepMs: number; nowMs: () => number; after: (delayMs: number, callback: () => void) => () => void }) {
    this.#stepMs = options.stepMs;
    this.#nowMs = options.nowMs;
    this.#after = options.after;
  }

  /** Calls the entry back once, `delayMs` from now or up to a step later; replaces what it was waiting for. */
  set(entry: WheelEntry, delayMs: number): void {
    this.clear(entry);
    const now = this.#nowMs();
    if (this.#slots.size === 0) this.#cursor = Math.floor(now / this.#stepMs);
    const slot = Math.max(this.#cursor + 1, Math.ceil((now + delayMs) / this.#stepMs));
    const entries = this.#slots.get(slot);
    if (entries === undefined) this.#slots.set(slot, new Set([entry]));
    else entries.add(entry);
    entry.slot = slot;
    this.#stop ??= this.#after(this.#stepMs, () => this.#turn());
  }

  clear(entry: WheelEntry): void {
    if (entry.slot === undefined || entry.slot === null) return;
    const entries = this.#slots.get(entry.slot);
    entries?.delete(entry);
    if (entries?.size === 0) this.#slots.delete(entry.slot);
    entry.slot = null;
  }

  stop(): void {
    this.#stop?.();
    this.#stop = null;
    this.#slots.clear();
  }

  #turn(): void {
    this.#stop = null;
    const now = Math.floor(this.#nowMs() / this.#stepMs);
    while (this.#cursor < now && this.#slots.size > 0) {
      this.#cursor += 1;
      const entries = this.#slots.get(this.#cursor);
      if (entries === undefined) continue;
      this.#slots.delete(this.#cursor);
      for (const entry of entries) {
        entry.slot = null;
        entry.due();
      }
    }
    this.#cursor = now;
    if (this.#slots.size > 0) this.#stop ??= this.#after(this.#stepMs, () => this.#turn());
  }
}
