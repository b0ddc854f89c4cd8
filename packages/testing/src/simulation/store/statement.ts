import { done } from '../base/task.ts';
import type { Task } from '../base/task.ts';
import type { Slot, Table } from './slot.ts';
import type { Store } from './store.ts';
import type { Tables } from './tables.ts';
import { SqlError } from './tx.ts';
import type { Tx } from './tx.ts';

/** A statement of the product's storage, as the reads and locks that it makes, in the order in which it makes them. */
export interface Sql<T> {
  /** Name of the statement in packages/storage. */
  name: string;
  run(statement: Statement): Task<T>;
}

/** A statement that locks nothing. */
export function reading<T>(name: string, read: (statement: Statement) => T): Sql<T> {
  return { name, run: (statement) => done(() => read(statement)) };
}

export interface StatementHost {
  store: Store;
  /** For tasks whose options do not say: no step of a turn does, and the time-out is to be tried all the same. */
  scheduleToStartMs: number | null;
  /** The database's clock. */
  nowMs(): number;
  /** Time passes: between the snapshot and the work, and now and then between two locks. */
  pause(after: 'snapshot' | 'lock'): Task<void>;
}

/** One execution of a statement: its snapshot, and the rows it locks. */
export class Statement {
  readonly tables: Tables;
  readonly host: StatementHost;
  readonly tx: Tx;
  readonly #snapshot: number;
  readonly #command: number;

  constructor(host: StatementHost, tx: Tx) {
    this.host = host;
    this.tables = host.store.tables;
    this.tx = tx;
    this.#snapshot = host.store.snapshot();
    this.#command = ++tx.command;
  }

  /** engine_now() */
  nowMs(): number {
    return this.host.nowMs();
  }

  /** A row as of the snapshot. */
  get<R>(table: Table<R>, key: string): R | null {
    this.host.store.requireOpen(this.tx);
    const slot = table.slots.get(key);
    return slot === undefined ? null : this.#visible(slot);
  }

  /** Rows as of the snapshot. */
  all<R>(table: Table<R>, where: (row: R) => boolean): R[] {
    const rows: R[] = [];
    for (const slot of table.slots.values()) {
      const row = this.#visible(slot);
      if (row !== null && where(row)) rows.push(row);
    }
    return rows;
  }

  /** FOR UPDATE: found in the snapshot, waited for, read again; null when it no longer is what was looked for. */
  *lock<R>(table: Table<R>, key: string, where: (row: R) => boolean = always): Task<R | null> {
    const slot = table.slots.get(key);
    const found = slot === undefined ? null : this.#visible(slot);
    if (slot === undefined || found === null || !where(found)) return null;
    if (slot.owner !== this.tx) {
      yield* this.host.store.lock(this.tx, slot as Slot<unknown>);
      yield* this.host.pause('lock');
    }
    const row = slot.newest;
    return row !== null && where(row) ? row : null;
  }

  /** FOR UPDATE SKIP LOCKED. */
  tryLock<R>(table: Table<R>, key: string, where: (row: R) => boolean = always): R | null {
    const slot = table.slots.get(key);
    const found = slot === undefined ? null : this.#visible(slot);
    if (slot === undefined || found === null || !where(found)) return null;
    if (slot.owner !== null && slot.owner !== this.tx) return null;
    const row = slot.newest;
    if (row === null || !where(row)) return null;
    this.host.store.take(this.tx, slot as Slot<unknown>);
    return row;
  }

  *update<R>(table: Table<R>, key: string, change: (row: R) => R, where: (row: R) => boolean = always): Task<R | null> {
    const row = yield* this.lock(table, key, where);
    if (row === null) return null;
    const after = change(row);
    this.#write(table.slot(key), after);
    return after;
  }

  /** Deletes the rows that the snapshot shows, in whatever order a plan may find them. */
  *deleteAll<R>(table: Table<R>, keyOf: (row: R) => string, where: (row: R) => boolean): Task<R[]> {
    const deleted: R[] = [];
    for (const found of this.host.store.random.shuffled(this.all(table, where))) {
      const row = yield* this.delete(table, keyOf(found), where);
      if (row !== null) deleted.push(row);
    }
    return deleted;
  }

  *delete<R>(table: Table<R>, key: string, where: (row: R) => boolean = always): Task<R | null> {
    const row = yield* this.lock(table, key, where);
    if (row !== null) this.#write(table.slot(key), null);
    return row;
  }

  /** Waits for a transaction that inserts or deletes the same key, then fails if there is one; unique keys know no snapshot. */
  *insert<R>(table: Table<R>, key: string, row: R): Task<void> {
    const slot = table.slot(key);
    yield* this.host.store.lock(this.tx, slot as Slot<unknown>);
    if (slot.newest !== null) throw new SqlError('23505', `${table.name} ${key} is there already`, table.name);
    this.#write(slot, row);
  }

  /** ON CONFLICT DO UPDATE; gives the row as it stands then. */
  *insertOr<R>(table: Table<R>, key: string, row: R, change: (row: R) => R): Task<R> {
    const slot = table.slot(key);
    yield* this.host.store.lock(this.tx, slot as Slot<unknown>);
    const after = slot.newest === null ? row : change(slot.newest);
    this.#write(slot, after);
    return after;
  }

  #visible<R>(slot: Slot<R>): R | null {
    this.host.store.requireOpen(this.tx);
    return slot.visible(this.#snapshot, this.tx, this.#command);
  }

  #write<R>(slot: Slot<R>, row: R | null): void {
    this.host.store.requireOpen(this.tx);
    slot.versions.push({ row, tx: this.tx, command: this.#command });
  }
}

function always(): boolean {
  return true;
}
