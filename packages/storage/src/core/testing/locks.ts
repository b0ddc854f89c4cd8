import type { Database, Queryable } from '../../database.ts';
import { scalar, sql } from './sql.ts';

/** Tools for tests that stop a transaction at a chosen place and watch who waits for whom. */

const GIVE_UP_MS = 10_000;

/** Resolves once `count` back-ends of this database wait for a lock that another one holds. */
export async function untilBlocked(db: Queryable, count = 1): Promise<void> {
  const until = performance.now() + GIVE_UP_MS;
  for (;;) {
    const blocked = await scalar<number>(
      db,
      `select count(*)::int from pg_stat_activity where datname = current_database() and cardinality(pg_blocking_pids(pid)) > 0`,
    );
    if (blocked >= count) return;
    if (performance.now() > until) throw new Error(`${blocked} of ${count} back-ends wait for a lock.`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

export interface OpenTransaction<T> {
  result: T;
  commit(): Promise<void>;
}

/** Does the work in a transaction that stays open, with all its locks, until it is told to commit. */
export async function openTransaction<T>(db: Database, work: (tx: Queryable) => Promise<T>): Promise<OpenTransaction<T>> {
  const acted = Promise.withResolvers<T>();
  const released = Promise.withResolvers<void>();
  const ended = db.transaction(async (tx) => {
    acted.resolve(await work(tx));
    await released.promise;
  });
  ended.catch(acted.reject);
  const result = await acted.promise;
  return {
    result,
    async commit() {
      released.resolve();
      await ended;
    },
  };
}

/** Keys of the rows of a table that somebody else has locked. */
export async function lockedKeys(db: Database, table: string, key: string): Promise<string[]> {
  return db.transaction(async (tx) => {
    const all = await sql<{ key: string }>(tx, `select ${key}::text as key from ${table}`);
    const free = await sql<{ key: string }>(tx, `select ${key}::text as key from ${table} for update skip locked`);
    const unlocked = new Set(free.map((row) => row.key));
    return all.map((row) => row.key).filter((value) => !unlocked.has(value));
  });
}
