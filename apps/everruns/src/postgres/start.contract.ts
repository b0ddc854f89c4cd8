import { chmod, lstat, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { removeDataDirectory } from './data-directory.ts';
import { claimOwnership, ensureDatabase } from './ownership.ts';
import { startPostgres, type PostgresOptions, type PostgresServer } from './start.ts';

let home: string;
const servers: PostgresServer[] = [];

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'everruns-start-'));
  await chmod(home, 0o755);
});

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop()));
  await removeDataDirectory(join(home, 'data'));
  await rm(home, { recursive: true, force: true });
});

async function start(options: Partial<PostgresOptions> = {}): Promise<PostgresServer> {
  const server = await startPostgres({ dataDir: join(home, 'data'), logFile: join(home, 'log'), durability: 'disposable', ...options });
  servers.push(server);
  return server;
}

async function query(url: string, text: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query({ text, rowMode: 'array' })).rows;
  } finally {
    await client.end();
  }
}

test('an empty directory gets a cluster of version 17 that keeps its rows over a clean stop', async () => {
  const first = await start({ durability: 'durable' });
  expect(first.adopted).toBe(false);
  await ensureDatabase(first, 'everruns');
  await ensureDatabase(first, 'everruns');
  expect(await query(first.url('everruns'), "select current_setting('server_version_num')::int / 10000")).toEqual([[17]]);
  expect(await query(first.url('everruns'), "select current_setting('fsync'), current_setting('synchronous_commit')")).toEqual([
    ['on', 'on'],
  ]);
  await query(first.url('everruns'), 'create table kept as select 7 as n');
  await first.stop();
  await first.gone;
  const second = await start({ durability: 'durable' });
  expect(await query(second.url('everruns'), 'select n from kept')).toEqual([[7]]);
});

test('committed rows survive kill -9 of the server with a busy back-end', async () => {
  const first = await start({ durability: 'durable' });
  await query(first.url('postgres'), 'create table kept as select 7 as n');
  const busy = query(first.url('postgres'), 'select count(*) from generate_series(1, 1000000000)').catch(() => undefined);
  process.kill(first.pid, 'SIGKILL');
  await first.gone;
  const second = await start({ durability: 'durable' });
  expect(second.pid).not.toBe(first.pid);
  expect(await query(second.url('postgres'), 'select n from kept')).toEqual([[7]]);
  await busy;
});

test('R17: a server that was left running is adopted', async () => {
  const first = await start();
  const second = await start();
  expect(second).toMatchObject({ pid: first.pid, adopted: true });
  await second.stop();
  await second.gone;
  await first.gone;
});

test('a server that was left running with other settings is adopted and known to be outdated', async () => {
  const first = await start();
  const settings = { shared_preload_libraries: 'pg_stat_statements' };
  expect(await start({ settings })).toMatchObject({ pid: first.pid, adopted: true, outdated: true });
  await first.stop();
  const second = await start({ settings });
  expect(second).toMatchObject({ adopted: false, outdated: false });
  await query(second.url('postgres'), 'create extension pg_stat_statements');
  expect(await query(second.url('postgres'), 'select count(*) > 0 from pg_stat_statements')).toEqual([[true]]);
});

test('starts at the same moment on an empty directory share one server', async () => {
  const [first, second, third] = await Promise.all([start(), start(), start()]);
  expect(new Set([first.pid, second.pid, third.pid]).size).toBe(1);
  expect((await readdir(home)).filter((name) => name.startsWith('data'))).toEqual(['data']);
});

test('a left-over process number that now belongs to a stranger does not stop the start', async () => {
  const first = await start();
  const file = await readFile(join(home, 'data', 'postmaster.pid'), 'utf8');
  process.kill(first.pid, 'SIGKILL');
  await first.gone;
  await writeFile(join(home, 'data', 'postmaster.pid'), file.replace(/^.*/, String(process.pid)));
  const second = await start();
  expect(second.adopted).toBe(false);
});

test('what an interrupted first start left is removed', async () => {
  await mkdir(join(home, 'data.new-2147483646-abc'));
  await start();
  expect((await readdir(home)).filter((name) => name.startsWith('data'))).toEqual(['data']);
});

test('a directory with something else in it is refused in one line and not touched', async () => {
  await mkdir(join(home, 'data'));
  await writeFile(join(home, 'data', 'letter.txt'), 'dear');
  await expect(start()).rejects.toThrow(/^.*data holds something that is not a PostgreSQL data directory\.$/);
  expect(await readdir(join(home, 'data'))).toEqual(['letter.txt']);
});

test('a setting that the server refuses is one line with its own words', async () => {
  await expect(start({ settings: { shared_buffers: 'plenty' } })).rejects.toThrow(
    /did not start on .*: invalid value for parameter "shared_buffers": "plenty"$/,
  );
});

test('over TCP only the password lets in', async () => {
  const port = await freePort();
  await start({ tcp: { port, password: 'correct' } });
  const over = (password: string) => query(`postgresql://everruns:${password}@127.0.0.1:${port}/postgres`, 'select 1');
  expect(await over('correct')).toEqual([[1]]);
  await expect(over('wrong')).rejects.toThrow('password authentication failed');
});

test('the socket is in a directory that only its user can enter', async () => {
  const server = await start();
  expect((await stat(server.socketDir)).mode & 0o777).toBe(0o700);
});

test('R17: one owner at a time, and the next after its connection has ended', async () => {
  const server = await start();
  const owner = await claimOwnership(server);
  expect(owner).toBeDefined();
  expect(await claimOwnership(server)).toBeUndefined();
  await owner?.release();
  await owner?.lost;
  await expect.poll(async () => (await claimOwnership(server)) !== undefined).toBe(true);
});

test('an owner learns that the server has gone', async () => {
  const server = await start();
  const owner = await claimOwnership(server);
  process.kill(server.pid, 'SIGKILL');
  await owner?.lost;
  await start();
});

/** As root only: an ordinary user's server runs as that user and can enter what the user can. */
if (process.getuid?.() === 0) {
  test('as root below a private folder the data is elsewhere and a link leads to it, also for starts at the same moment', async () => {
    await chmod(home, 0o700);
    const [first, second, third] = await Promise.all([start(), start(), start()]);
    expect(new Set([first.pid, second.pid, third.pid]).size).toBe(1);
    expect((await lstat(join(home, 'data'))).isSymbolicLink()).toBe(true);
    await query(first.url('postgres'), 'create table kept as select 7 as n');
    await first.stop();
    expect(await query((await start()).url('postgres'), 'select n from kept')).toEqual([[7]]);
  });

  test('as root a project with data that is moved below a private folder keeps its data', async () => {
    const first = await start();
    await query(first.url('postgres'), 'create table kept as select 7 as n');
    await first.stop();
    await chmod(home, 0o700);
    const second = await start();
    expect(await query(second.url('postgres'), 'select n from kept')).toEqual([[7]]);
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => resolve(port));
    });
  });
}
