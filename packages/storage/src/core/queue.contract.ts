import type { Uuid } from '@everruns/contract';
import { testDatabase } from '@everruns/testing/postgres';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Database, Row, Statement } from '../database.ts';
import { claimBatch } from './claim.ts';
import { openTransaction } from './testing/locks.ts';
import { scalar, sql } from './testing/sql.ts';
import { claim, NO_ORG, openSession, post } from './testing/turn-driver.ts';
import type { Player } from './testing/turn-driver.ts';
import { openWorld } from './testing/world.ts';
import type { World } from './testing/world.ts';

let world: World;
let db: Database;
let player: Player;

beforeAll(async () => {
  world = await openWorld(await testDatabase());
});

beforeEach(async () => {
  await world.reset();
  ({ db, player } = world);
});

afterAll(() => world.close());

/** Organizations in the order of the walk. */
const org = (n: number): Uuid => `0bbbbbbb-0000-7000-8000-${n.toString(16).padStart(12, '0')}`;

/** Puts `count` tasks of one running turn of an organization into the queue. */
async function enqueue(orgId: Uuid, count: number, priority = 0): Promise<void> {
  const sessionId = await openSession(db, player, orgId);
  await post(db, player, sessionId, { orgId });
  await sql(
    db,
    `insert into ready (id, org_id, session_id, workflow_id, pool, priority, step, payload)
     select uuidv7(), org_id, session_id, workflow_id, pool, $3, step, payload from ready, generate_series(2, $2::int) where session_id = $1`,
    [sessionId, count, priority],
  );
  await sql(db, 'update ready set priority = $2 where session_id = $1', [sessionId, priority]);
}

const orgsOf = (tasks: readonly { orgId: Uuid }[]) => tasks.map((task) => task.orgId);
const countBy = (values: readonly string[]) =>
  Object.fromEntries([...Map.groupBy(values, (value) => value)].map(([key, all]) => [key, all.length]));

describe('R12: the claim is fair', () => {
  test('one task of a small organization is in the first batch, whatever another one has put before it', async () => {
    await enqueue(org(1), 1_000);
    await enqueue(org(2), 1);
    const tasks = await claim(db, player, 'reason', { seats: 10 });
    expect(countBy(orgsOf(tasks))).toEqual({ [org(1)]: 9, [org(2)]: 1 });
  });

  test('with one seat at a time the small organization waits for one task of the large one at most', async () => {
    await enqueue(org(1), 1_000);
    await enqueue(org(2), 1);
    let afterOrg = NO_ORG;
    const served: Uuid[] = [];
    for (let n = 0; n < 2; n++) {
      const [task] = await claim(db, player, 'reason', { seats: 1, afterOrg });
      if (task === undefined) throw new Error('Nothing was claimed.');
      served.push(task.orgId);
      afterOrg = task.orgId;
    }
    expect(served).toEqual([org(1), org(2)]);
  });

  test('the cursor goes round: each organization is served before one is served twice', async () => {
    for (let n = 1; n <= 5; n++) await enqueue(org(n), 10);
    let afterOrg = org(3);
    const served: Uuid[] = [];
    for (let n = 0; n < 7; n++) {
      const tasks = await claim(db, player, 'reason', { seats: 1, afterOrg });
      served.push(...orgsOf(tasks));
      afterOrg = tasks.at(-1)?.orgId ?? afterOrg;
    }
    expect(served).toEqual([4, 5, 1, 2, 3, 4, 5].map(org));
  });

  test('the last task of a batch is of the organization that the walk came to last', async () => {
    for (let n = 1; n <= 6; n++) await enqueue(org(n), 3);
    const tasks = await claim(db, player, 'reason', { seats: 6, afterOrg: org(4) });
    expect(orgsOf(tasks)).toEqual([5, 6, 1, 2, 3, 4].map(org));
  });

  test('seats are shared equally, and what an organization leaves is filled up by the others', async () => {
    await enqueue(org(1), 50);
    await enqueue(org(2), 50);
    await enqueue(org(3), 2);
    const tasks = await claim(db, player, 'reason', { seats: 20 });
    const counts = countBy(orgsOf(tasks));
    expect(tasks).toHaveLength(20);
    expect(counts[org(3)]).toBe(2);
    expect(counts[org(1)]).toBeGreaterThanOrEqual(7);
    expect(counts[org(2)]).toBeGreaterThanOrEqual(7);
  });

  test('at most sixteen organizations share one claim; the next claim comes to the others', async () => {
    for (let n = 1; n <= 20; n++) await enqueue(org(n), 2);
    const first = await claim(db, player, 'reason', { seats: 16 });
    expect(orgsOf(first)).toEqual(Array.from({ length: 16 }, (_, n) => org(n + 1)));
    const second = await claim(db, player, 'reason', { seats: 4, afterOrg: first.at(-1)?.orgId ?? NO_ORG });
    expect(orgsOf(second)).toEqual([17, 18, 19, 20].map(org));
  });

  test('within an organization the higher priority goes first, then the older task', async () => {
    await enqueue(org(1), 3, -10);
    await enqueue(org(1), 2, 0);
    await enqueue(org(1), 1, 5);
    const priorities: number[] = [];
    const order = `select priority from leases order by started_at, task_id`;
    for (let n = 0; n < 6; n++) await claim(db, player, 'reason', { seats: 1 });
    priorities.push(...(await sql<{ priority: number }>(db, order)).map((row) => row.priority));
    expect(priorities).toEqual([5, 0, 0, -10, -10, -10]);
  });

  test('an organization at its cap is passed over, and goes on when a lease of it ends', async () => {
    await enqueue(org(1), 10);
    await enqueue(org(2), 10);
    expect(await claim(db, player, 'reason', { seats: 6, orgCap: 3 })).toHaveLength(6);
    expect(await claim(db, player, 'reason', { seats: 6, orgCap: 3 })).toEqual([]);
    await sql(db, 'delete from leases where task_id = (select task_id from leases where org_id = $1 limit 1)', [org(2)]);
    expect(orgsOf(await claim(db, player, 'reason', { seats: 1, orgCap: 3 }))).toEqual([org(2)]);
  });

  test('more organizations at their cap than can share a claim do not hide the one behind them', async () => {
    for (let n = 1; n <= 30; n++) await enqueue(org(n), 2);
    for (let n = 0; n < 30; n++) await claim(db, player, 'reason', { seats: 1, orgCap: 1 });
    await enqueue(org(31), 1);
    expect(orgsOf(await claim(db, player, 'reason', { seats: 5, orgCap: 1 }))).toEqual([org(31)]);
  });

  test('the batch says whether tasks may be left although seats are', async () => {
    const batch = (seats: number, orgCap: number) =>
      claimBatch(db, { pool: 'reason', seats: Array(seats).fill(player.seat), instanceId: player.instanceId, afterOrg: NO_ORG, orgCap });
    expect(await batch(5, 10)).toEqual({ tasks: [], more: false });
    await enqueue(org(1), 3);
    expect(await batch(1, 1)).toMatchObject({ tasks: [{ orgId: org(1) }], more: false });
    expect(await batch(5, 1)).toEqual({ tasks: [], more: true });
    expect((await batch(5, 10)).more).toBe(false);
    for (let n = 1; n <= 16; n++) await enqueue(org(n), 1);
    expect((await batch(50, 10)).more).toBe(true);
  });

  test('eight claims at once take every task exactly once', async () => {
    for (let n = 1; n <= 10; n++) await enqueue(org(n), 30);
    const taken: string[] = [];
    const claimer = async (start: number) => {
      let afterOrg = org(start);
      for (let empty = 0; empty < 3;) {
        const tasks = await claim(db, player, 'reason', { seats: 7, afterOrg });
        taken.push(...tasks.map((task) => task.taskId));
        afterOrg = tasks.at(-1)?.orgId ?? NO_ORG;
        empty = tasks.length === 0 ? empty + 1 : 0;
      }
    };
    await Promise.all(Array.from({ length: 8 }, (_, n) => claimer(n)));
    expect(new Set(taken).size).toBe(300);
    expect(taken).toHaveLength(300);
  });

  test('no task is waited for that another claim has in hand, neither of the shares nor of what fills them up', async () => {
    await enqueue(org(1), 3);
    await enqueue(org(2), 1);
    const inHand = (offset: number) =>
      openTransaction(db, (tx) =>
        sql(tx, `select 1 from ready where id = (select id from ready where org_id = $1 order by id offset $2 limit 1) for update`, [
          org(1),
          offset,
        ]),
      );
    const others = [await inHand(0), await inHand(2)];
    const tasks = await claim(db, player, 'reason', { seats: 4 });
    await Promise.all(others.map((other) => other.commit()));
    expect(countBy(orgsOf(tasks))).toEqual({ [org(1)]: 1, [org(2)]: 1 });
    expect(await claim(db, player, 'reason', { seats: 4 })).toHaveLength(2);
  });

  test('what fills the shares up goes by priority, whoever it belongs to', async () => {
    await enqueue(org(1), 3, 0);
    await enqueue(org(2), 3, 5);
    await enqueue(org(3), 1, 0);
    const tasks = await claim(db, player, 'reason', { seats: 6 });
    expect(countBy(orgsOf(tasks))).toEqual({ [org(1)]: 2, [org(2)]: 3, [org(3)]: 1 });
  });

  test('seats are filled in the order of priority', async () => {
    await enqueue(org(1), 1, 0);
    await enqueue(org(1), 1, 10);
    const seats = ['first', 'second'].map((workerId) => ({ ...player.seat, workerId }));
    const { tasks } = await claimBatch(db, { pool: 'reason', seats, instanceId: player.instanceId, afterOrg: NO_ORG, orgCap: 100 });
    const holders = await sql(db, 'select worker_id, priority from leases order by priority desc');
    expect(tasks).toHaveLength(2);
    expect(holders).toEqual([
      { worker_id: 'first', priority: 10 },
      { worker_id: 'second', priority: 0 },
    ]);
  });
});

describe('R12: the claim reads a bounded number of rows', () => {
  /** Rows of `ready` that one claim touches, out of the executed plan. */
  async function readyRowsRead(seats: number, afterOrg: Uuid): Promise<number> {
    let recorded: { statement: Statement; values: readonly unknown[] } | undefined;
    const spy = {
      run: <R extends Row>(statement: Statement, values: readonly unknown[] = []) => {
        recorded = { statement, values };
        return Promise.resolve([] as R[]);
      },
    };
    await claimBatch(spy, {
      pool: 'reason',
      seats: Array(seats).fill(player.seat),
      instanceId: player.instanceId,
      afterOrg,
      orgCap: 1_000,
    });
    if (recorded === undefined) throw new Error('The claim ran no statement.');
    const { statement, values } = recorded;
    const undo = new Error('undo');
    let read = 0;
    await db
      .transaction(async (tx) => {
        const [plan] = await scalar<unknown[]>(tx, `explain (analyze, format json) ${statement.text}`, values);
        read = rowsRead((plan as { Plan: ExecutedNode }).Plan);
        throw undo;
      })
      .catch((error: unknown) => {
        if (error !== undo) throw error;
      });
    return read;
  }

  interface ExecutedNode {
    'Relation Name'?: string;
    'Actual Rows': number;
    'Actual Loops': number;
    'Rows Removed by Filter'?: number;
    'Rows Removed by Index Recheck'?: number;
    Plans?: ExecutedNode[];
  }

  function rowsRead(node: ExecutedNode): number {
    const own =
      node['Relation Name'] === 'ready'
        ? (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0) + (node['Rows Removed by Index Recheck'] ?? 0)) *
          node['Actual Loops']
        : 0;
    return (node.Plans ?? []).reduce((sum, child) => sum + rowsRead(child), own);
  }

  test('with 20,000 tasks of one organization before 40 others', async () => {
    await enqueue(org(1), 20_000);
    for (let n = 2; n <= 41; n++) await enqueue(org(n), 1);
    await sql(db, 'analyze');
    for (const [seats, afterOrg] of [
      [1, NO_ORG],
      [10, NO_ORG],
      [50, NO_ORG],
      [50, org(1)],
      [50, org(20)],
    ] as const) {
      expect({ seats, afterOrg, bounded: (await readyRowsRead(seats, afterOrg)) < 1_500 }).toEqual({ seats, afterOrg, bounded: true });
    }
  });

  test('when all of them are at their cap', async () => {
    await enqueue(org(1), 20_000);
    await claim(db, player, 'reason', { seats: 50 });
    await sql(db, 'analyze');
    expect(await readyRowsRead(50, NO_ORG)).toBeLessThan(1_500);
  });
});
