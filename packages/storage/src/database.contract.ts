import { testDatabase } from '@everruns/testing/postgres';
import type { TestDatabase } from '@everruns/testing/postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { scalar, sql } from './core/testing/sql.ts';
import { isTransient, openDatabase, outcomeUnknown } from './database.ts';
import type { Database } from './database.ts';

let database: TestDatabase;
let db: Database;

beforeAll(async () => {
  database = await testDatabase();
  db = openDatabase(database.settings);
  await sql(db, 'create table notes (id int primary key)');
});

afterAll(async () => {
  await db.close();
  await database.drop();
});

const kill = (pid: number) => sql(db, 'select pg_terminate_backend($1, 5000)', [pid]);
const rejection = (promise: Promise<unknown>) =>
  promise.then(
    () => 'nothing was thrown',
    (error: unknown) => error,
  );

describe('transaction', () => {
  test('commits what the work wrote, and undoes it when the work throws', async () => {
    await db.transaction((tx) => sql(tx, 'insert into notes values (1)'));
    const refused = new Error('refused');
    const failing = db.transaction(async (tx) => {
      await sql(tx, 'insert into notes values (2)');
      throw refused;
    });
    expect(await rejection(failing)).toBe(refused);
    expect(await sql(db, 'select id from notes')).toEqual([{ id: 1 }]);
  });

  test('whose connection breaks between two statements fails alone: the process and the pool go on', async () => {
    const failing = db.transaction(async (tx) => {
      await kill(await scalar<number>(tx, 'select pg_backend_pid()'));
      await sql(tx, 'insert into notes values (3)');
    });
    expect(outcomeUnknown(await rejection(failing))).toBe(true);
    expect(await db.transaction((tx) => scalar(tx, 'select count(*)::int from notes'))).toBe(1);
  });

  test('whose connection breaks under a running statement is of unknown outcome', async () => {
    const started = Promise.withResolvers<number>();
    const failing = db.transaction(async (tx) => {
      started.resolve(await scalar<number>(tx, 'select pg_backend_pid()'));
      await sql(tx, 'select pg_sleep(60)');
    });
    const error = rejection(failing);
    await kill(await started.promise);
    expect(outcomeUnknown(await error)).toBe(true);
  });
});

test('a statement outside a transaction whose connection breaks is of unknown outcome', async () => {
  const running = rejection(sql(db, 'select pg_sleep(60)'));
  const pid = `select pid from pg_stat_activity where query = 'select pg_sleep(60)' and datname = current_database() and state = 'active'`;
  let found: { pid: number }[] = [];
  while (found.length === 0) found = await sql<{ pid: number }>(db, pid);
  await kill(found[0]?.pid ?? 0);
  expect(outcomeUnknown(await running)).toBe(true);
});

test('an error of the statement itself is neither unknown nor transient', async () => {
  const error = await rejection(sql(db, 'select 1 / 0'));
  expect([outcomeUnknown(error), isTransient(error)]).toEqual([false, false]);
});

describe('a statement name that is longer than the server keeps', () => {
  test('stays its own: two that begin alike run as what they are', async () => {
    const own = openDatabase({ ...database.settings, poolSize: 1 });
    const long = 'events_desc_types_exclude_roles_since_until_turn_tool_status_'.padEnd(70, 'x');
    try {
      for (let again = 0; again < 2; again++) {
        expect(await own.run({ name: `${long}_first`, text: 'select 1 as n' })).toEqual([{ n: 1 }]);
        expect(await own.run({ name: `${long}_second`, text: 'select 2 as n' })).toEqual([{ n: 2 }]);
      }
    } finally {
      await own.close();
    }
  });
});
