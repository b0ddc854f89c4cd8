import type { Tx } from './tx.ts';

export interface Version<R> {
  /** Null: deleted. */
  row: R | null;
  tx: Tx;
  command: number;
}

/** The versions of one row, oldest first, and its lock. Whoever writes holds the lock, so at most the newest version is uncommitted. */
export class Slot<R> {
  readonly table: Table<R>;
  readonly key: string;
  versions: Version<R>[] = [];
  owner: Tx | null = null;
  waiters: (() => void)[] = [];

  constructor(table: Table<R>, key: string) {
    this.table = table;
    this.key = key;
  }

  /** The row as a statement's snapshot shows it. */
  visible(snapshot: number, tx: Tx, command: number): R | null {
    for (let i = this.versions.length - 1; i >= 0; i--) {
      const version = this.versions[i] as Version<R>;
      if (version.tx === tx ? version.command < command : version.tx.commitNo <= snapshot) return version.row;
    }
    return null;
  }

  /** The newest version: for the holder of the lock, its own or the last committed one. */
  get newest(): R | null {
    return this.versions.at(-1)?.row ?? null;
  }
}

export class Table<R> {
  readonly name: string;
  readonly slots = new Map<string, Slot<R>>();

  constructor(name: string) {
    this.name = name;
  }

  slot(key: string): Slot<R> {
    let slot = this.slots.get(key);
    if (slot === undefined) {
      slot = new Slot(this, key);
      this.slots.set(key, slot);
    }
    return slot;
  }

  /** Committed rows, for checks that look from outside. */
  *committed(): Generator<R> {
    for (const slot of this.slots.values()) {
      for (let i = slot.versions.length - 1; i >= 0; i--) {
        const version = slot.versions[i] as Version<R>;
        if (version.tx.commitNo === Infinity) continue;
        if (version.row !== null) yield version.row;
        break;
      }
    }
  }

  get(key: string): R | null {
    const slot = this.slots.get(key);
    if (slot === undefined) return null;
    return slot.versions.findLast((version) => version.tx.commitNo !== Infinity)?.row ?? null;
  }
}
