import { spawn } from 'node:child_process';
import { once } from 'node:events';
import pg from 'pg';
import { expect, test } from 'vitest';
import { testDatabase } from './postgres.ts';

async function query(url: string, text: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query({ text, rowMode: 'array' })).rows;
  } finally {
    await client.end();
  }
}

test('a database has the schema of this version, and rows of one are not in another', async () => {
  const [first, second] = await Promise.all([testDatabase(), testDatabase()]);
  await query(first.url, 'create table mine as select 1 as n');
  expect(await query(first.url, 'select count(*) > 0 from schema_migrations')).toEqual([[true]]);
  expect(await query(second.url, "select to_regclass('mine')")).toEqual([[null]]);
  await Promise.all([first.drop(), second.drop()]);
});

test('an empty database has no tables', async () => {
  const database = await testDatabase({ schema: 'empty' });
  expect(await query(database.url, "select count(*) from pg_tables where schemaname = 'public'")).toEqual([['0']]);
  await database.drop();
});

test('a dropped database is gone, open connections or not', async () => {
  const [database, other] = await Promise.all([testDatabase(), testDatabase()]);
  const client = new pg.Client({ connectionString: database.url });
  client.on('error', () => undefined);
  await client.connect();
  await database.drop();
  const name = new URL(database.url).pathname.slice(1);
  expect(await query(other.url, `select count(*) from pg_database where datname = '${name}'`)).toEqual([['0']]);
  await client.end().catch(() => undefined);
  await other.drop();
});

test('processes share one server, and one that is killed does not keep it from the others', async () => {
  const own = await testDatabase();
  const script =
    "const { testDatabase } = await import('@everruns/testing/postgres'); console.log((await testDatabase()).url); setInterval(() => {}, 1000);";
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    cwd: import.meta.dirname,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const theirs = new URL(line.toString().trim());
  expect(theirs.search).toBe(new URL(own.url).search);
  child.kill('SIGKILL');
  await once(child, 'exit');
  const next = await testDatabase();
  expect(await query(next.url, 'select 1')).toEqual([[1]]);
  await Promise.all([own.drop(), next.drop()]);
});
