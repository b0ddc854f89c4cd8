/** Time that only moves when it is told to, and a seeded source of chance: a run is its seed. */
export class VirtualTime {
  #nowMs = 0;
  #count = 0;
  readonly #queue: { atMs: number; order: number; work: () => void }[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  date(): Date {
    return new Date(1_800_000_000_000 + Math.floor(this.#nowMs));
  }

  after(delayMs: number, work: () => void): () => void {
    const entry = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#count++, work };
    let at = this.#queue.length;
    while (at > 0 && isLater(this.#queue[at - 1], entry)) at -= 1;
    this.#queue.splice(at, 0, entry);
    return () => {
      const index = this.#queue.indexOf(entry);
      if (index >= 0) this.#queue.splice(index, 1);
    };
  }

  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => void this.after(delayMs, resolve));
  }

  /** Does all that is due until `untilMs`, and lets every promise settle in between. */
  async run(untilMs: number): Promise<void> {
    await settle();
    for (let next = this.#queue[0]; next !== undefined && next.atMs <= untilMs; next = this.#queue[0]) {
      this.#queue.shift();
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.work();
      await settle();
    }
    this.#nowMs = untilMs;
  }
}

/** Lets every promise that can go on do so. */
function settle(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

function isLater(entry: { atMs: number; order: number } | undefined, than: { atMs: number; order: number }): boolean {
  return entry !== undefined && (entry.atMs > than.atMs || (entry.atMs === than.atMs && entry.order > than.order));
}

export class Chance {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** In [0, 1). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  }

  /** An integer from `min` to `max`, both inclusive. */
  int(min: number, max: number): number {
    return min + Math.floor(this.next() * (max - min + 1));
  }

  is(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(values: readonly T[]): T {
    return values[this.int(0, values.length - 1)] as T;
  }
}
