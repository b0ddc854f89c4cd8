import pg from 'pg';
import type { PostgresServer } from './start.ts';

/** The right to be the one Everruns on this data, held by a session lock: it ends with the process, however that ends. */
export interface Ownership {
  /** Resolves when the lock is lost because its connection is: the server, or this one back-end, has gone. */
  readonly lost: Promise<void>;
  release(): Promise<void>;
}

const LOCK_KEY = 7_305_112;
const ADMIN_DATABASE = 'postgres';

/** Undefined when another process holds it: the data is in use. Free on a running server means that its process was killed. */
export async function claimOwnership(server: PostgresServer): Promise<Ownership | undefined> {
  const client = new pg.Client({ connectionString: server.url(ADMIN_DATABASE), application_name: 'everruns-owner' });
  const lost = new Promise<void>((resolve) => {
    client.once('end', resolve);
    client.on('error', () => resolve());
  });
  await client.connect();
  const { rows } = await client.query<{ ok: boolean }>('select pg_try_advisory_lock($1) as ok', [LOCK_KEY]);
  if (rows[0]?.ok === true) return { lost, release: () => client.end() };
  await client.end();
  return undefined;
}

/** Makes the database when it does not exist yet. */
export async function ensureDatabase(server: PostgresServer, name: string): Promise<void> {
  const client = new pg.Client({ connectionString: server.url(ADMIN_DATABASE), application_name: 'everruns-owner' });
  client.on('error', () => undefined); // the failing query reports it
  await client.connect();
  try {
    const { rowCount } = await client.query('select from pg_database where datname = $1', [name]);
    if (rowCount === 0) await client.query(`create database ${pg.escapeIdentifier(name)}`);
  } finally {
    await client.end();
  }
}
