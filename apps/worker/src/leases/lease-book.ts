import { POOLS, type Pool } from '@everruns/contract';
import type { Held, Slots } from '@everruns/contract/generated/worker';
import type { Lease } from './lease.ts';

export type Capacity = Readonly<Record<Pool, number>>;

/** The leases that this worker holds, the finished ones among them until their outcome was taken. */
export class LeaseBook {
  readonly #byToken = new Map<string, Lease>();
  readonly #capacity: Capacity;
  #whenEmpty: (() => void)[] = [];

  constructor(capacity: Capacity) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#byToken.size;
  }

  get(token: string): Lease | undefined {
    return this.#byToken.get(token);
  }

  all(): Lease[] {
    return [...this.#byToken.values()];
  }

  add(lease: Lease): void {
    this.#byToken.set(lease.task.token, lease);
  }

  remove(token: string): void {
    if (!this.#byToken.delete(token) || this.#byToken.size > 0) return;
    for (const resolve of this.#whenEmpty) resolve();
    this.#whenEmpty = [];
  }

  held(): Held[] {
    return this.all().map(({ held }) => held);
  }

  /** What can be taken on right now. */
  free(): Slots[] {
    return POOLS.map((pool) => {
      const running = this.all().filter((lease) => lease.pool === pool && !lease.isFinished).length;
      return { pool, capacity: Math.max(0, this.#capacity[pool] - running) };
    });
  }

  async empty(): Promise<void> {
    if (this.#byToken.size > 0) await new Promise<void>((resolve) => this.#whenEmpty.push(resolve));
  }
}
