import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { testDatabase } from '@everruns/testing/postgres';
import type { TestDatabase } from '@everruns/testing/postgres';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openTransaction } from './core/testing/locks.ts';
import { scalar, sql } from './core/testing/sql.ts';
import { openDatabase } from './database.ts';
import type { Database } from './database.ts';
import { migrate } from './migrate.ts';

let database: TestDatabase;
let db: Database;
let folder: string;

beforeEach(async () => {
  database = await testDatabase({ schema: 'empty' });
  db = openDatabase(database.settings);
  folder = await mkdtemp(join(tmpdir(), 'migrations-'));
});

afterEach(async () => {
  await db.close();
  await database.drop();
  await rm(folder, { recursive: true });
});

const files = async () => (await readdir(new URL('../migrations/', import.meta.url))).toSorted();
const applied = async () => (await sql<{ name: string }>(db, 'select name from schema_migrations order by name')).map((row) => row.name);
const own = () => ({ directory: pathToFileURL(`${folder}/`) });

describe('R11: migrations', () => {
  test('five instances that start at once on a fresh database apply each file once', async () => {
    const runs = await Promise.all(Array.from({ length: 5 }, () => migrate(database.url)));
    expect(runs.filter((names) => names.length > 0)).toEqual([await files()]);
    expect(await applied()).toEqual(await files());
  });

  test('a second run has nothing to do', async () => {
    await migrate(database.url);
    expect(await migrate(database.url)).toEqual([]);
  });

  test('who waits for another one polls, without a transaction that an index build would wait for', async () => {
    const holder = await db.dedicated();
    await holder.query('select pg_advisory_lock(7305111)');
    const polled = Promise.withResolvers<void>();
    const sleep = async () => {
      expect(
        await sql(
          db,
          `select state, backend_xmin, wait_event_type = 'Lock' as blocked from pg_stat_activity
           where application_name = 'everruns-migrate' and datname = current_database()`,
        ),
      ).toEqual([{ state: 'idle', backend_xmin: null, blocked: false }]);
      polled.resolve();
    };
    const waiting = migrate(database.url, { sleep });
    await polled.promise;
    await holder.end();
    expect(await waiting).toEqual(await files());
  });

  test('it gives up with one line when the other one does not end', async () => {
    const holder = await db.dedicated();
    await holder.query('select pg_advisory_lock(7305111)');
    await expect(migrate(database.url, { waitMs: 300, sleep: async () => undefined })).rejects.toThrow(
      /^Another instance has been migrating this database for more than 0\.3 s\.$/,
    );
    await holder.end();
  });

  test('a table that is in use is waited for in short tries, so that nobody queues behind the migration for long', async () => {
    await sql(db, 'create table busy (id int)');
    await writeFile(join(folder, '0001_busy.sql'), 'alter table busy add column more int;');
    const reader = await openTransaction(db, (tx) => sql(tx, 'select id from busy'));
    const pauses: number[] = [];
    const migrating = migrate(database.url, {
      ...own(),
      lockTimeoutMs: 50,
      sleep: async (ms) => {
        pauses.push(ms);
        if (pauses.length === 3) await reader.commit();
      },
    });
    expect(await migrating).toEqual(['0001_busy.sql']);
    expect(pauses).toHaveLength(3);
  });

  test('a file that fails leaves nothing behind, is named, and is tried again by the next start', async () => {
    await writeFile(join(folder, '0001_good.sql'), 'create table good (id int);');
    await writeFile(join(folder, '0002_bad.sql'), 'create table half (id int); select nonsense;');
    await expect(migrate(database.url, own())).rejects.toThrow('Migration 0002_bad.sql failed: column "nonsense" does not exist');
    expect(await scalar(db, `select to_regclass('half')`)).toBeNull();
    expect(await applied()).toEqual(['0001_good.sql']);
    await writeFile(join(folder, '0002_bad.sql'), 'create table half (id int);');
    expect(await migrate(database.url, own())).toEqual(['0002_bad.sql']);
  });

  test('a server older than 17 is refused with one line, before anything is written', async () => {
    await sql(db, 'create schema old');
    await sql(
      db,
      `create function old.current_setting(name text) returns text language sql as $$
         select case name when 'server_version_num' then '160004' else '16.4' end $$`,
    );
    const url = new URL(database.url);
    url.searchParams.set('options', '-c search_path=old,pg_catalog');
    await expect(migrate(url.href)).rejects.toThrow(/^PostgreSQL 17 or newer is needed, this server is 16\.4\.$/);
    expect(await scalar(db, `select to_regclass('schema_migrations')`)).toBeNull();
  });

  test('functions that newer servers bring are made only where they are missing', async () => {
    await sql(db, `create function uuidv7() returns uuid language sql as $$ select '00000000-0000-7000-8000-000000000000'::uuid $$`);
    await migrate(database.url);
    expect(await scalar(db, 'select uuidv7()')).toBe('00000000-0000-7000-8000-000000000000');
  });

  test('a statement that was prepared before a column was added still runs', async () => {
    await migrate(database.url);
    const single = openDatabase({ ...database.settings, poolSize: 1 });
    const statement = { name: 'find_head', text: 'select session_id, status from session_heads where session_id = $1' };
    const id = '00000000-0000-7000-8000-000000000001';
    await single.run(statement, [id]);
    await sql(db, 'alter table session_heads add column added_later int');
    expect(await single.run(statement, [id])).toEqual([]);
    await single.close();
  });

  test('no statement of this package asks for all columns', async () => {
    const folderUrl = new URL('.', import.meta.url);
    const sources = (await readdir(folderUrl, { recursive: true })).filter(
      (name) => name.endsWith('.ts') && !/\.(contract|test)\.ts$/.test(name),
    );
    expect(sources.length).toBeGreaterThan(20);
    const offenders: string[] = [];
    for (const name of sources) {
      const text = await readFile(new URL(name, folderUrl), 'utf8');
      if (/\b(select|returning)\s+(\w+\.)?\*/i.test(text)) offenders.push(name);
    }
    expect(offenders).toEqual([]);
  });
});
