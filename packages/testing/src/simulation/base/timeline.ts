/** Virtual time: a heap of what is to happen. Nothing waits for real. */
export class Timeline {
  nowMs = 0;
  readonly #times: number[] = [];
  readonly #orders: number[] = [];
  readonly #acts: (() => void)[] = [];
  #order = 0;

  after(delayMs: number, act: () => void): void {
    this.#push(this.nowMs + Math.max(0, delayMs), act);
  }

  /** Runs the next thing; false when there is none. */
  step(): boolean {
    const act = this.#acts[0];
    if (act === undefined) return false;
    this.nowMs = this.#times[0] as number;
    this.#pop();
    act();
    return true;
  }

  #push(atMs: number, act: () => void): void {
    this.#times.push(atMs);
    this.#orders.push(this.#order++);
    this.#acts.push(act);
    for (let i = this.#acts.length - 1; i > 0;) {
      const parent = (i - 1) >> 1;
      if (!this.#less(i, parent)) break;
      this.#swap(i, parent);
      i = parent;
    }
  }

  #pop(): void {
    const last = this.#acts.length - 1;
    this.#swap(0, last);
    this.#times.pop();
    this.#orders.pop();
    this.#acts.pop();
    for (let i = 0; ;) {
      const left = 2 * i + 1;
      if (left >= last) break;
      const least = left + 1 < last && this.#less(left + 1, left) ? left + 1 : left;
      if (!this.#less(least, i)) break;
      this.#swap(i, least);
      i = least;
    }
  }

  #less(i: number, j: number): boolean {
    const [a, b] = [this.#times[i] as number, this.#times[j] as number];
    return a === b ? (this.#orders[i] as number) < (this.#orders[j] as number) : a < b;
  }

  #swap(i: number, j: number): void {
    const [times, orders, acts] = [this.#times, this.#orders, this.#acts];
    const [time, order, act] = [times[i] as number, orders[i] as number, acts[i] as () => void];
    times[i] = times[j] as number;
    orders[i] = orders[j] as number;
    acts[i] = acts[j] as () => void;
    times[j] = time;
    orders[j] = order;
    acts[j] = act;
  }
}
