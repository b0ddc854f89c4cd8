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
  /** Gives up waiting for another instance's migration, or for a table that is in use, after this long. */
  waitMs?: number;
  /** Longest that one try waits for a table; everybody else who wants it waits behind the try. */
  lockTimeoutMs?: number;
  sleep?: (ms: number) => Promise<void>;
  /** Where the files are, if not this package's own. */
  directory?: URL;
}

type Settings = Required<MigrateOptions>;

const POLL_MS = 100;
const RETRY_MS = 1_000;
const LOCK_NOT_AVAILABLE = '55P03';

/**
 * Brings the database at `url` (a direct connection, not a pooler) to this version's schema. Each file runs in one transaction with its
 * version row. The lock is polled: a blocked `pg_advisory_lock` would hold a snapshot that deadlocks with concurrent index builds.
 */
export async function migrate(url: string, options: MigrateOptions = {}): Promise<string[]> {
  const settings = {
    waitMs: 60_000,
    lockTimeoutMs: 2_000,
    sleep: (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms)),
    directory: DIRECTORY,
    ...options,
  };
  const client = new pg.Client({ connectionString: url, application_name: 'everruns-migrate' });
  client.on('error', () => undefined); // the failing query reports it
  await client.connect();
  try {
    await requireVersion(client);
    await takeLock(client, settings);
    return await applyPending(client, settings);
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

async function takeLock(client: pg.Client, { waitMs, sleep }: Settings): Promise<void> {
  for (let waited = 0; ; waited += POLL_MS) {
    const { rows } = await client.query<{ ok: boolean }>('select pg_try_advisory_lock($1) as ok', [LOCK_KEY]);
    if (rows[0]?.ok === true) return;
    if (waited >= waitMs) throw new Error(`Another instance has been migrating this database for more than ${waitMs / 1000} s.`);
    await sleep(POLL_MS);
  }
}

async function applyPending(client: pg.Client, settings: Settings): Promise<string[]> {
  await client.query('create table if not exists schema_migrations (name text primary key, applied_at timestamptz not null default now())');
  const { rows } = await client.query<{ name: string }>('select name from schema_migrations');
  const done = new Set(rows.map((row) => row.name));
  const pending = (await readdir(settings.directory)).filter((name) => name.endsWith('.sql') && !done.has(name)).sort();
  for (const name of pending) await applyWhenFree(client, name, settings);
  return pending;
}

/** Tries again when a table that the file needs is in use; between the tries others can have it. */
async function applyWhenFree(client: pg.Client, name: string, settings: Settings): Promise<void> {
  const text = await readFile(new URL(name, settings.directory), 'utf8');
  for (let waited = 0; ; waited += settings.lockTimeoutMs + RETRY_MS) {
    try {
      await applyFile(client, { name, text, lockTimeoutMs: settings.lockTimeoutMs });
      return;
    } catch (error) {
      const inUse = error instanceof pg.DatabaseError && error.code === LOCK_NOT_AVAILABLE;
      if (!inUse || waited >= settings.waitMs) {
        throw new Error(`Migration ${name} failed: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
      }
      await settings.sleep(RETRY_MS);
    }
  }
}

async function applyFile(client: pg.Client, file: { name: string; text: string; lockTimeoutMs: number }): Promise<void> {
  await client.query('begin');
  try {
    await client.query(`set local lock_timeout = ${file.lockTimeoutMs}`);
    await client.query('insert into schema_migrations (name) values ($1)', [file.name]);
    await client.query(file.text);
    await client.query('commit');
  } catch (error) {
    await client.query('rollback');
    throw error;
  }
}
