import type { Uuid } from '@everruns/contract';
import { testDatabase } from '@everruns/testing/postgres';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { sqlState } from '../database.ts';
import type { Database, Queryable } from '../database.ts';
import type { ClaimedTask } from './claim.ts';
import { completeStep } from './complete.ts';
import { underHead } from './head.ts';
import { beat } from './instances.ts';
import { adoptLeases, leasesOfInstance, overdueLeases, requeueLease, takeReady } from './leases.ts';
import { appendInStep, checkpointLease } from './step.ts';
import { lockedKeys, openTransaction, untilBlocked } from './testing/locks.ts';
import { scalar, sql } from './testing/sql.ts';
import { call, cancel, claim, completeReason, completeTool, openSession, post, reasonCommand, runningTurn } from './testing/turn-driver.ts';
import type { Player } from './testing/turn-driver.ts';
import { openWorld } from './testing/world.ts';
import type { World } from './testing/world.ts';
import { moveDueTasks } from './timers.ts';

let world: World;
let db: Database;
let player: Player;

beforeAll(async () => {
  world = await openWorld(await testDatabase(), { poolSize: 16 });
});

beforeEach(async () => {
  await world.reset();
  ({ db, player } = world);
});

afterAll(() => world.close());

const appendTo = (on: Queryable, task: ClaimedTask, n = 1) => {
  const events = [{ type: 'tool.progress' as const, context: {}, data: { n } }];
  return appendInStep(on, { sessionId: task.sessionId, taskId: task.taskId, token: task.token, n, events });
};

const adopt = (on: Queryable, tasks: readonly ClaimedTask[]) =>
  adoptLeases(on, {
    instanceId: player.instanceId,
    attachment: player.ids.next(),
    bootId: player.seat.bootId,
    workerId: player.seat.workerId,
    tokens: tasks.map((task) => task.token),
  });

/** A session with this many server-side calls running. */
async function runningCalls(count: number): Promise<{ sessionId: Uuid; tools: ClaimedTask[] }> {
  const { sessionId, task } = await runningTurn(db, player);
  const calls = Array.from({ length: count }, (_, n) => call(`call_${n}`));
  await completeReason(db, player, task, calls);
  return { sessionId, tools: await claim(db, player, 'tool', { seats: count }) };
}

describe('W4: one lock order', () => {
  describe('the head comes first: a transaction that waits for it holds nothing', () => {
    const writers: [string, (sessionId: Uuid, task: ClaimedTask) => Promise<unknown>][] = [
      ['accept', (sessionId) => post(db, player, sessionId)],
      ['append', (_sessionId, task) => appendTo(db, task)],
      ['complete', (_sessionId, task) => completeStep(db, reasonCommand(player, task, { seen: 1 }))],
      ['cancel', (sessionId) => cancel(db, player, sessionId)],
    ];

    test.each(writers)('%s', async (_name, write) => {
      const { sessionId, task } = await runningTurn(db, player);
      const holder = await openTransaction(db, (tx) =>
        sql(tx, 'select 1 from session_heads where session_id = $1 for update', [sessionId]),
      );
      const writing = write(sessionId, task);
      await untilBlocked(db);
      expect(await lockedKeys(db, 'leases', 'task_id')).toEqual([]);
      expect(await lockedKeys(db, 'workflows', 'id')).toEqual([]);
      await holder.commit();
      await writing;
    });
  });

  describe('no transaction locks two heads, except a claim', () => {
    const headsLockedBy = async (work: (tx: Queryable) => Promise<unknown>): Promise<number> => {
      const transaction = await openTransaction(db, work);
      const locked = await lockedKeys(db, 'session_heads', 'session_id');
      await transaction.commit();
      return locked.length;
    };

    test('one: accept, append, complete', async () => {
      const { task } = await runningTurn(db, player);
      const { sessionId: other } = await runningTurn(db, player);
      expect(await headsLockedBy((tx) => post(tx, player, other))).toBe(1);
      expect(await headsLockedBy((tx) => appendTo(tx, task))).toBe(1);
      expect(await headsLockedBy((tx) => completeStep(tx, reasonCommand(player, task, { seen: 1 })))).toBe(1);
    });

    test('one: cancel', async () => {
      const { sessionId } = await runningTurn(db, player);
      await runningTurn(db, player);
      const reached = Promise.withResolvers<void>();
      const release = Promise.withResolvers<void>();
      const cancelling = cancel(db, player, sessionId, () => {
        reached.resolve();
        return release.promise;
      });
      await reached.promise;
      expect(await lockedKeys(db, 'session_heads', 'session_id')).toEqual([sessionId]);
      release.resolve();
      await cancelling;
    });

    test('none: requeue, adopt, checkpoint, take, move, beat, sweep', async () => {
      const { task } = await runningTurn(db, player);
      const waiting = await openSession(db, player);
      await post(db, player, waiting);
      const readyId = await scalar<Uuid>(db, 'select id from ready');
      const [lease] = await leasesOfInstance(db, player.instanceId);
      if (lease === undefined) throw new Error('No lease.');
      expect(await headsLockedBy((tx) => adopt(tx, [task]))).toBe(0);
      expect(await headsLockedBy((tx) => checkpointLease(tx, { ...task, state: {} }))).toBe(0);
      expect(await headsLockedBy((tx) => requeueLease(tx, { lease, losses: 1, failures: 0, delayMs: 0 }))).toBe(0);
      expect(await headsLockedBy((tx) => takeReady(tx, readyId))).toBe(0);
      expect(await headsLockedBy((tx) => moveDueTasks(tx, 10))).toBe(0);
      expect(await headsLockedBy((tx) => beat(tx, { id: player.instanceId, hintNo: 1 }))).toBe(0);
      expect(await headsLockedBy((tx) => overdueLeases(tx, 10))).toBe(0);
    });

    test('all of its tasks: claim', async () => {
      for (let n = 0; n < 3; n++) await post(db, player, await openSession(db, player));
      expect(await headsLockedBy((tx) => claim(tx, player, 'reason', { seats: 2 }))).toBe(2);
    });
  });

  test('a claim waits for heads in the order of their ids, whatever the order of its tasks', async () => {
    const first = await openSession(db, player);
    const second = await openSession(db, player);
    await post(db, player, second);
    await post(db, player, first);
    const holder = await openTransaction(db, (tx) => sql(tx, 'select 1 from session_heads where session_id = $1 for update', [first]));
    const claiming = claim(db, player, 'reason');
    await untilBlocked(db);
    expect(await lockedKeys(db, 'session_heads', 'session_id')).toEqual([first]);
    await holder.commit();
    expect(await claiming).toHaveLength(2);
  });

  describe('leases are locked in the order of their ids, wherever they lie', () => {
    /** Three running calls of which the one with the lowest id was leased last. */
    const lowestLast = async () => {
      const { sessionId, tools } = await runningCalls(3);
      const lowest = tools.map((tool) => tool.taskId).toSorted()[0];
      const lease = (await leasesOfInstance(db, player.instanceId)).find((candidate) => candidate.taskId === lowest);
      if (lease === undefined) throw new Error('No lease.');
      await requeueLease(db, { lease, losses: 0, failures: 0, delayMs: 0 });
      const [again] = await claim(db, player, 'tool');
      if (again === undefined) throw new Error('Nothing to claim.');
      return { sessionId, lowest: lease.taskId, tools: [...tools.filter((tool) => tool.taskId !== lease.taskId), again] };
    };

    test('by adopt', async () => {
      const { lowest, tools } = await lowestLast();
      const holder = await openTransaction(db, (tx) => sql(tx, 'select 1 from leases where task_id = $1 for update', [lowest]));
      const adopting = adopt(db, tools);
      await untilBlocked(db);
      expect(await lockedKeys(db, 'leases', 'task_id')).toEqual([lowest]);
      await holder.commit();
      expect(await adopting).toHaveLength(3);
    });

    test('by cancel', async () => {
      const { sessionId, lowest } = await lowestLast();
      const holder = await openTransaction(db, (tx) => sql(tx, 'select 1 from leases where task_id = $1 for update', [lowest]));
      const cancelling = cancel(db, player, sessionId);
      await untilBlocked(db);
      expect(await lockedKeys(db, 'leases', 'task_id')).toEqual([lowest]);
      await holder.commit();
      expect((await cancelling)?.dropped).toHaveLength(3);
    });
  });

  describe('a lease that was read under the head stays until the decision about it commits', () => {
    test('it is not given back meanwhile', async () => {
      const { sessionId } = await runningCalls(1);
      const [lease] = await leasesOfInstance(db, player.instanceId);
      if (lease === undefined) throw new Error('No lease.');
      let givenBack: boolean | null = null;
      const seen = await underHead(db, { sessionId, orgId: null }, async (held) => {
        const workflow = await held.workflow(lease.workflowId);
        givenBack = await requeueLease(db, { lease, losses: 0, failures: 0, delayMs: 0 });
        return workflow?.leases.map((candidate) => candidate.token);
      });
      expect(seen).toEqual([lease.token]);
      expect(givenBack).toBe(false);
    });

    test('one that is being given back is not seen', async () => {
      const { sessionId } = await runningCalls(1);
      const [lease] = await leasesOfInstance(db, player.instanceId);
      if (lease === undefined) throw new Error('No lease.');
      const giving = await openTransaction(db, (tx) => requeueLease(tx, { lease, losses: 0, failures: 0, delayMs: 0 }));
      const reading = underHead(db, { sessionId, orgId: null }, async (held) => (await held.workflow(lease.workflowId))?.leases);
      await untilBlocked(db);
      await giving.commit();
      expect(await reading).toEqual([]);
    });
  });

  describe('a task is taken out of the queue under the head of its session', () => {
    const queued = async () => {
      const sessionId = await openSession(db, player);
      await post(db, player, sessionId);
      return { sessionId, taskId: await scalar<Uuid>(db, 'select id from ready where session_id = $1', [sessionId]) };
    };

    test('it is there again when the decision about it fails', async () => {
      const { sessionId, taskId } = await queued();
      const failing = underHead(db, { sessionId, orgId: null }, async (held) => {
        expect(await takeReady(held.tx, taskId)).toBe(true);
        throw new Error('no decision');
      });
      await expect(failing).rejects.toThrow('no decision');
      expect(await claim(db, player, 'reason')).toMatchObject([{ taskId }]);
    });

    test('a claim that waits for the head keeps it, and neither waits for the other', async () => {
      const { sessionId, taskId } = await queued();
      const held = Promise.withResolvers<void>();
      const claimed = Promise.withResolvers<void>();
      const taking = underHead(db, { sessionId, orgId: null }, async ({ tx }) => {
        held.resolve();
        await claimed.promise;
        return takeReady(tx, taskId);
      });
      await held.promise;
      const claiming = claim(db, player, 'reason');
      await untilBlocked(db);
      claimed.resolve();
      expect(await taking).toBe(false);
      expect(await claiming).toMatchObject([{ taskId }]);
    });
  });

  const failures = async (acts: Promise<unknown>[]): Promise<string[]> =>
    (await Promise.allSettled(acts)).flatMap((end) => (end.status === 'rejected' ? [sqlState(end.reason) ?? String(end.reason)] : []));

  test('complete, cancel, claim, accept, append and requeue at once: 200 rounds without a deadlock', async () => {
    for (let round = 0; round < 200; round++) {
      const { sessionId, tools } = await runningCalls(3);
      const [lease] = await leasesOfInstance(db, player.instanceId);
      const acts: (() => Promise<unknown>)[] = [
        ...tools.map((tool) => () => completeTool(db, player, tool)),
        ...tools.map((tool) => () => appendTo(db, tool)),
        () => cancel(db, player, sessionId),
        () => post(db, player, sessionId),
        () => claim(db, player, 'reason'),
        () => claim(db, player, 'tool'),
        () => (lease === undefined ? Promise.resolve() : requeueLease(db, { lease, losses: 1, failures: 0, delayMs: 0 })),
      ];
      const offset = round % acts.length;
      const order = [...acts.slice(offset), ...acts.slice(0, offset)];
      expect(await failures(order.map((act) => act()))).toEqual([]);
      await sql(db, 'delete from ready');
      await sql(db, 'delete from leases');
    }
  });

  test('adopt and cancel of the same eight leases at once: 150 rounds without a deadlock', async () => {
    for (let round = 0; round < 150; round++) {
      const { sessionId, tools } = await runningCalls(8);
      const shuffled = tools.toSorted((a, b) => (a.token < b.token ? -1 : 1));
      expect(await failures([adopt(db, shuffled), cancel(db, player, sessionId), adopt(db, tools.toReversed())])).toEqual([]);
      await sql(db, 'delete from leases');
    }
  });
});
