import type { Queryable, Row } from '../../database.ts';

/** A statement of a test, unnamed: its text decides, not a name that must stay unique. */
export function sql<R extends Row = Row>(db: Queryable, text: string, values: readonly unknown[] = []): Promise<R[]> {
  return db.run<R>({ name: '', text }, values);
}

/** The first column of the first row. */
export async function scalar<T>(db: Queryable, text: string, values: readonly unknown[] = []): Promise<T> {
  const [row] = await sql(db, text, values);
  if (row === undefined) throw new Error(`No row: ${text}`);
  return Object.values(row)[0] as T;
}

/** Every row of every table, so that two dumps are equal exactly when nothing was written in between. */
export async function dumpDatabase(db: Queryable): Promise<Record<string, unknown[]>> {
  const tables = await sql<{ name: string }>(
    db,
    `select c.oid::regclass::text as name from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' order by 1`,
  );
  const dump: Record<string, unknown[]> = {};
  for (const { name } of tables) {
    dump[name] = await scalar(db, `select coalesce(jsonb_agg(to_jsonb(t) order by to_jsonb(t)::text), '[]') from ${name} t`);
  }
  return dump;
}

/** The tables whose rows differ between two dumps. */
export function changedTables(before: Record<string, unknown[]>, after: Record<string, unknown[]>): string[] {
  return Object.keys(after).filter((name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]));
}
