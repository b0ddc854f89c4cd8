import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { migrate } from '@everruns/storage/migrate';
import { removeDataDirectory } from 'everruns/postgres/data-directory';
import { startPostgres, type PostgresServer } from 'everruns/postgres/start';
import pg from 'pg';
import { withFileLock } from './file-lock.ts';

export interface TestDatabase {
  /** A direct connection over the Unix socket, as the superuser. */
  url: string;
  /** What `openDatabase` of the storage takes. */
  settings: { url: string; poolSize: number };
  /** Removes the database, open connections or not. The last user of the shared server ends it. */
  drop(): Promise<void>;
}

export interface TestDatabaseOptions {
  /** `migrated` (default) has this version's schema, `empty` has none. */
  schema?: 'migrated' | 'empty';
}

/** Set by the vitest run (`postgres-run.ts`): the server then lives until the run ends, not until one file's last database is dropped. */
export const RUN_VARIABLE = 'EVERRUNS_TEST_RUN';

const STORAGE = join(dirname(createRequire(import.meta.url).resolve('@everruns/storage')), '..');
const USERS_LOCK = 1;
const TEMPLATE_LOCK = 2;
/** Nothing in a test database outlives the run, so nothing waits for the disk. */
const SETTINGS = { max_connections: '300', shared_preload_libraries: 'pg_stat_statements' };

/**
 * A database of one's own on a server that all test processes of this checkout share. The first caller starts the server; a database is a
 * copy of a template, so it costs a fraction of a second and no test sees another's rows.
 */
export async function testDatabase({ schema = 'migrated' }: TestDatabaseOptions = {}): Promise<TestDatabase> {
  const { server, keeper } = await joinServer();
  const name = `test_${process.pid}_${randomBytes(4).toString('hex')}`;
  const template = schema === 'empty' ? 'template1' : await migratedTemplate(server, keeper);
  await keeper.query(`create database ${name} template ${template}`);
  const url = server.url(name);
  return {
    url,
    settings: { url, poolSize: 8 },
    async drop() {
      await keeper.query(`drop database if exists ${name} with (force)`);
      await leaveServer(server, keeper);
    },
  };
}

/** Ends the shared server when no process uses it. The vitest run calls this at its end. */
export async function stopUnusedServer(): Promise<void> {
  if (!existsSync(join(serverHome(), 'data'))) return;
  const { server, keeper } = await joinServer();
  await endServerIfLast(server, keeper);
}

function serverHome(): string {
  const checkout = createHash('sha256').update(STORAGE).digest('hex').slice(0, 8);
  return join(tmpdir(), `everruns-test-${process.getuid?.() ?? 0}-${checkout}`);
}

/** A user of the server holds a shared lock for as long as it lives; the lock file keeps starting and ending apart. */
async function joinServer(): Promise<{ server: PostgresServer; keeper: pg.Client }> {
  const home = serverHome();
  await mkdir(home, { recursive: true });
  await chmod(home, 0o755);
  return withFileLock(join(home, 'lock'), async () => {
    const server = await startPostgres({
      dataDir: join(home, 'data'),
      logFile: join(home, 'log'),
      durability: 'disposable',
      settings: SETTINGS,
    });
    const keeper = new pg.Client({ connectionString: server.url('postgres'), application_name: 'everruns-test' });
    keeper.on('error', () => undefined); // a test that kills the server sees it elsewhere
    await keeper.connect();
    if (await tryLock(keeper)) await dropLeftovers(keeper);
    await keeper.query('select pg_advisory_lock_shared($1)', [USERS_LOCK]);
    await keeper.query('select pg_advisory_unlock($1)', [USERS_LOCK]);
    return { server, keeper };
  });
}

async function leaveServer(server: PostgresServer, keeper: pg.Client): Promise<void> {
  if (process.env[RUN_VARIABLE] === undefined) await endServerIfLast(server, keeper);
  else await keeper.end();
}

async function endServerIfLast(server: PostgresServer, keeper: pg.Client): Promise<void> {
  await withFileLock(join(serverHome(), 'lock'), async () => {
    await keeper.query('select pg_advisory_unlock_shared($1)', [USERS_LOCK]);
    const last = await tryLock(keeper);
    await keeper.end();
    if (!last) return;
    await server.stop();
    await removeDataDirectory(join(serverHome(), 'data'));
    await rm(join(serverHome(), 'log'), { force: true });
  });
}

async function tryLock(keeper: pg.Client): Promise<boolean> {
  const { rows } = await keeper.query<{ ok: boolean }>('select pg_try_advisory_lock($1) as ok', [USERS_LOCK]);
  return rows[0]?.ok === true;
}

/** Databases of processes that were killed. Called only by the sole user. */
async function dropLeftovers(keeper: pg.Client): Promise<void> {
  const { rows } = await keeper.query<{ name: string }>(
    "select datname as name from pg_database where datname like 'test\\_%' or datname like '%\\_draft'",
  );
  for (const { name } of rows) await keeper.query(`drop database ${pg.escapeIdentifier(name)} with (force)`);
}

/** Named after the migrations' content, so an edited migration is a new template. Renamed when complete, so nobody copies half of one. */
async function migratedTemplate(server: PostgresServer, keeper: pg.Client): Promise<string> {
  const name = `template_${await schemaHash()}`;
  await keeper.query('select pg_advisory_lock($1)', [TEMPLATE_LOCK]);
  try {
    const { rowCount } = await keeper.query('select from pg_database where datname = $1', [name]);
    if (rowCount !== 0) return name;
    await keeper.query(`drop database if exists ${name}_draft with (force)`);
    await keeper.query(`create database ${name}_draft`);
    await migrate(server.url(`${name}_draft`));
    await keeper.query(`alter database ${name}_draft rename to ${name}`);
    return name;
  } finally {
    await keeper.query('select pg_advisory_unlock($1)', [TEMPLATE_LOCK]);
  }
}

async function schemaHash(): Promise<string> {
  const hash = createHash('sha256');
  const folder = join(STORAGE, 'migrations');
  for (const name of (await readdir(folder)).filter((entry) => entry.endsWith('.sql')).sort()) {
    hash.update(`${name}\n`).update(await readFile(join(folder, name)));
  }
  return hash.digest('hex').slice(0, 16);
}
