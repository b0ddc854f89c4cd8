import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { testDatabase } from '../../postgres.ts';
import type { TestDatabase } from '../../postgres.ts';

/** That PostgreSQL does what `store.test.ts` says of the model of it: the same plays, on a real server. */
let database: TestDatabase;
let first: pg.Client;
let second: pg.Client;
let watcher: pg.Client;

beforeAll(async () => {
  database = await testDatabase({ schema: 'empty' });
  [first, second, watcher] = [0, 1, 2].map(() => new pg.Client({ connectionString: database.url })) as [pg.Client, pg.Client, pg.Client];
  await Promise.all([first, second, watcher].map((client) => client.connect()));
  await watcher.query('create table rows (key text primary key, n int not null)');
});

beforeEach(async () => {
  await watcher.query('truncate rows');
  await watcher.query(`insert into rows values ('a', 1), ('b', 1)`);
});

afterAll(async () => {
  await Promise.all([first, second, watcher].map((client) => client.end()));
  await database.drop();
});

/** `first` acts in a transaction; `second`'s statement meets it and waits; what it answers when the transaction has ended. */
async function meets(acts: readonly string[], statement: string, end = 'commit'): Promise<unknown> {
  await first.query('begin');
  for (const act of acts) await first.query(act);
  const answer = second.query(statement).then(
    (result) => result.rows as unknown,
    (error: unknown) => (error as pg.DatabaseError).code,
  );
  await untilSecondWaits();
  await first.query(end);
  return answer;
}

async function untilSecondWaits(): Promise<void> {
  const pid = (second as unknown as { processID: number }).processID;
  for (;;) {
    const { rows } = await watcher.query('select cardinality(pg_blocking_pids($1)) as n', [pid]);
    if (rows[0].n > 0) return;
  }
}

const ADD_BOTH = [`update rows set n = n + 1 where key = 'a'`, `update rows set n = n + 1 where key = 'b'`];

describe('a statement', () => {
  it('reads a row that it locks again after the wait, and no other', async () => {
    const statement = `with l as materialized (select n from rows where key = 'a' for update)
      select l.n as locked, (select n from rows where key = 'b') as read from l`;
    expect(await meets(ADD_BOTH, statement)).toEqual([{ locked: 2, read: 1 }]);
  });

  it('finds a row gone that was deleted while it waited', async () => {
    expect(await meets([`delete from rows where key = 'a'`], `select n from rows where key = 'a' for update`)).toEqual([]);
  });

  it('finds a row gone that no longer is what it looked for', async () => {
    expect(await meets(ADD_BOTH, `select key from rows where n = 1 and key = 'b' for update`)).toEqual([]);
  });

  it('finds no row to lock that was inserted while it waited', async () => {
    const statement = `with l as materialized (select n from rows where key = 'a' for update)
      select c.key from l, lateral (select r.key from rows r where r.key in ('a', 'c') and l.n > 0 for update of r) c`;
    expect(await meets([...ADD_BOTH, `insert into rows values ('c', 1)`], statement)).toEqual([{ key: 'a' }]);
  });

  it('adds to what others added while it waited', async () => {
    expect(await meets(ADD_BOTH, `update rows set n = n + 1 where key = 'a' returning n`)).toEqual([{ n: 3 }]);
  });

  it('passes over locked rows when it is told to', async () => {
    await first.query('begin');
    await first.query(`update rows set n = n + 1 where key = 'a'`);
    const { rows } = await second.query('select key from rows for update skip locked');
    await first.query('commit');
    expect(rows).toEqual([{ key: 'b' }]);
  });
});

describe('a unique key', () => {
  it.each([
    ['commit', '23505'],
    ['rollback', [{ key: 'c' }]],
  ])('is waited for: after %s the second insert ends with %j', async (end, answer) => {
    expect(await meets([`insert into rows values ('c', 1)`], `insert into rows values ('c', 2) returning key`, end)).toEqual(answer);
  });
});

describe('a transaction', () => {
  it('in a circle of waits is refused', async () => {
    const lock = (key: string): string => `select n from rows where key = '${key}' for update`;
    const codeOf = (error: unknown): unknown => (error as pg.DatabaseError).code;
    await first.query('begin');
    await second.query('begin');
    await first.query(lock('a'));
    await second.query(lock('b'));
    const one = first.query(lock('b')).then(() => 'done', codeOf);
    const other = second.query(lock('a')).then(() => 'done', codeOf);
    const refused = await Promise.race([one, other]);
    await Promise.all([one, other].map((answer, n) => answer.then(() => [first, second][n]?.query('rollback'))));
    expect([refused, new Set([await one, await other])]).toEqual(['40P01', new Set(['40P01', 'done'])]);
  });
});
