import { readFile, readdir } from 'node:fs/promises';
import pg from 'pg';

const DIRECTORY = new URL('../migrations/', import.meta.url);
const LOCK_KEY = 7_305_111;
const MINIMUM_VERSION = 170_000;

/** A database that this version cannot work with; the message is one line for people. */
export class UnsupportedDatabaseError extends Error {
  override readonly name = 'UnsupportedDatabaseError';
}

export interface MigrateOptions {
  /** Gives up waiting for another instance's migration after this long. */
  waitMs?: number;
  sleep?: (ms: number) => Promise<void>;
}

/**
 * Brings the database at `url` (a direct connection, not a pooler) to this version's schema. Each file runs in one transaction with its
 * version row. The lock is polled: a blocked `pg_advisory_lock` would hold a snapshot that deadlocks with concurrent index builds.
 */
export async function migrate(url: string, options: MigrateOptions = {}): Promise<string[]> {
  const sleep = options.sleep ?? ((ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms)));
  const client = new pg.Client({ connectionString: url, application_name: 'everruns-migrate' });
  client.on('error', () => undefined); // the failing query reports it
  await client.connect();
  try {
    await requireVersion(client);
    await takeLock(client, options.waitMs ?? 60_000, sleep);
    return await applyPending(client);
  } finally {
    await client.end();
  }
}

async function requireVersion(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ n: number; v: string }>(
    "select current_setting('server_version_num')::int as n, current_setting('server_version') as v",
  );
  const { n, v } = rows[0] as { n: number; v: string };
  if (n < MINIMUM_VERSION) throw new UnsupportedDatabaseError(`PostgreSQL 17 or newer is needed, this server is ${v}.`);
}

async function takeLock(client: pg.Client, waitMs: number, sleep: (ms: number) => Promise<void>): Promise<void> {
  for (let waited = 0; ; waited += 100) {
    const { rows } = await client.query<{ ok: boolean }>('select pg_try_advisory_lock($1) as ok', [LOCK_KEY]);
    if (rows[0]?.ok === true) return;
    if (waited >= waitMs) throw new Error(`Another instance has been migrating this database for more than ${waitMs / 1000} s.`);
    await sleep(100);
  }
}

async function applyPending(client: pg.Client): Promise<string[]> {
  await client.query('create table if not exists schema_migrations (name text primary key, applied_at timestamptz not null default now())');
  const { rows } = await client.query<{ name: string }>('select name from schema_migrations');
  const done = new Set(rows.map((row) => row.name));
  const pending = (await readdir(DIRECTORY)).filter((name) => name.endsWith('.sql') && !done.has(name)).sort();
  for (const name of pending) {
    const text = await readFile(new URL(name, DIRECTORY), 'utf8');
    await client.query('begin');
    try {
      await client.query("set local lock_timeout = '2s'");
      await client.query('insert into schema_migrations (name) values ($1)', [name]);
      await client.query(text);
      await client.query('commit');
    } catch (error) {
      await client.query('rollback');
      throw new Error(`Migration ${name} failed: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
  }
  return pending;
}
