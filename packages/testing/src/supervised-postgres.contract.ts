import { rm } from 'node:fs/promises';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { makeClusterHome } from './orphaned-clusters.ts';
import { supervisePostgres } from './supervised-postgres.ts';
import type { SupervisedPostgres } from './supervised-postgres.ts';

let home: string;
let postgres: SupervisedPostgres;

beforeAll(async () => {
  home = await makeClusterHome();
  postgres = await supervisePostgres(home);
  await query('create table t (id int); insert into t values (1)');
});

afterAll(async () => {
  await postgres.stop();
  await rm(home, { recursive: true, force: true });
});

async function query(text: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: postgres.url() });
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}

async function broken(harm: (backendPid: number) => void): Promise<void> {
  const client = new pg.Client({ connectionString: postgres.url() });
  client.on('error', () => undefined); // what this is about
  await client.connect();
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
  harm(rows[0]?.pid ?? 0);
  await expect(client.query('select pg_sleep(10)')).rejects.toThrow(/terminat|ECONNRESET|EPIPE/);
}

it.each<[string, () => void]>([
  ['all processes are killed', () => postgres.killAll()],
  ['the postmaster is killed', () => postgres.killPostmaster()],
])('is back with what was committed after %s', async (_, kill) => {
  const before = postgres.pid;
  await broken(kill);
  await postgres.whenReady();
  expect(postgres.pid).not.toBe(before);
  expect(await query('select id from t')).toEqual([{ id: 1 }]);
});

it('goes on under the same postmaster after one back-end is killed', async () => {
  const before = postgres.pid;
  await broken((pid) => postgres.killBackend(pid));
  await expect.poll(() => query('select id from t').catch(() => null), { timeout: 10_000 }).toEqual([{ id: 1 }]);
  expect(postgres.pid).toBe(before);
});
