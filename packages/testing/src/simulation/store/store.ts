import type { Random } from '../base/random.ts';
import { wait } from '../base/task.ts';
import type { Task } from '../base/task.ts';
import type { Timeline } from '../base/timeline.ts';
import type { Slot, Table } from './slot.ts';
import { createTables } from './tables.ts';
import type { Tables } from './tables.ts';
import { SqlError, Tx } from './tx.ts';
import type { Write } from './tx.ts';

/**
 * Rows with PostgreSQL's READ COMMITTED rule: a statement sees what had committed when it began; a row that it locks or writes is waited for and
 * read again, and nothing else is. `serializable` runs one transaction at a time instead: the store that a test would naively write, in which
 * the faults that come from old snapshots cannot happen.
 */
export type Isolation = 'read committed' | 'serializable';

export interface StoreOptions {
  timeline: Timeline;
  random: Random;
  isolation: Isolation;
  /** After each commit, in commit order. */
  onCommit(writes: readonly Write[]): void;
  onDeadlock(description: string): void;
}

export class Store {
  readonly tables: Tables = createTables();
  readonly random: Random;
  readonly #options: StoreOptions;
  readonly #open = new Set<Tx>();
  readonly #dirty = new Set<Slot<unknown>>();
  #turnstile: (() => void)[] = [];
  #commits = 0;

  constructor(options: StoreOptions) {
    this.#options = options;
    this.random = options.random;
  }

  *begin(name: string): Task<Tx> {
    if (this.#options.isolation === 'serializable') {
      while (this.#open.size > 0) yield* wait<void>((resolve) => this.#turnstile.push(resolve));
    }
    const tx = new Tx(name);
    this.#open.add(tx);
    return tx;
  }

  /** The next statement of a transaction, with a snapshot of its own. */
  snapshot(): number {
    return this.#commits;
  }

  commit(tx: Tx): void {
    if (tx.state !== 'open') return;
    tx.state = 'committed';
    tx.commitNo = ++this.#commits;
    const writes: Write[] = [];
    for (const slot of tx.held) {
      const own = slot.versions.findIndex((version) => version.tx === tx);
      if (own === -1) continue;
      writes.push({ table: slot.table.name, key: slot.key, before: slot.versions[own - 1]?.row ?? null, after: slot.newest });
      this.#dirty.add(slot);
    }
    this.#end(tx);
    if (writes.length > 0) this.#options.onCommit(writes);
  }

  abort(tx: Tx): void {
    if (tx.state !== 'open') return;
    tx.state = 'aborted';
    for (const slot of tx.held) {
      slot.versions = slot.versions.filter((version) => version.tx !== tx);
      this.#dirty.add(slot);
    }
    this.#end(tx);
  }

  /** What a crash of the server leaves: nothing that was open. */
  abortAll(): void {
    for (const tx of this.#open) this.abort(tx);
  }

  *lock(tx: Tx, slot: Slot<unknown>): Task<void> {
    while (slot.owner !== null && slot.owner !== tx) {
      this.#refuseCycle(tx, slot);
      tx.waitsFor = slot;
      yield* wait<void>((resolve) => slot.waiters.push(resolve));
      tx.waitsFor = null;
    }
    this.take(tx, slot);
  }

  /** Takes a lock that nobody else holds. */
  take(tx: Tx, slot: Slot<unknown>): void {
    if (slot.owner === tx) return;
    this.requireOpen(tx);
    slot.owner = tx;
    tx.held.push(slot);
  }

  /** A statement may still be running when its transaction is rolled back: it ends at the next row that it touches. */
  requireOpen(tx: Tx): void {
    if (tx.state !== 'open') throw new SqlError('57014', 'the transaction was rolled back');
  }

  #refuseCycle(tx: Tx, wanted: Slot<unknown>): void {
    const path = [`${tx.name} wants ${wanted.table.name} ${wanted.key}`];
    for (let owner = wanted.owner; owner !== null;) {
      const next: Slot<unknown> | null = owner.waitsFor;
      path.push(`held by ${owner.name}${next === null ? '' : `, which wants ${next.table.name} ${next.key}`}`);
      if (next === null) return;
      owner = next.owner;
      if (owner !== tx) continue;
      this.#options.onDeadlock(path.join(' '));
      throw new SqlError('40P01', 'deadlock detected');
    }
  }

  #end(tx: Tx): void {
    this.#open.delete(tx);
    for (const slot of tx.held) {
      slot.owner = null;
      this.#wake(slot.waiters.splice(0));
    }
    if (this.#open.size === 0) this.#vacuum();
    this.#wake(this.#turnstile.splice(0));
  }

  #wake(waiters: readonly (() => void)[]): void {
    for (const waiter of waiters) this.#options.timeline.after(this.random.next() * 0.3, waiter);
  }

  /** With no transaction open nobody can see older versions. */
  #vacuum(): void {
    for (const slot of this.#dirty) {
      const newest = slot.versions.at(-1);
      slot.versions = newest === undefined ? [] : [newest];
      if ((newest === undefined || newest.row === null) && slot.waiters.length === 0) (slot.table as Table<unknown>).slots.delete(slot.key);
    }
    this.#dirty.clear();
  }
}
