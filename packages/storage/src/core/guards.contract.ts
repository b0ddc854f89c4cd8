import type { Uuid } from '@everruns/contract';
import { testDatabase } from '@everruns/testing/postgres';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Database } from '../database.ts';
import type { ClaimedTask } from './claim.ts';
import { completeStep } from './complete.ts';
import { underHead } from './head.ts';
import { loseInstance } from './instances.ts';
import { adoptLeases, leasesOfInstance, requeueLease, takeReady } from './leases.ts';
import type { HeldLease } from './leases.ts';
import { appendInStep, checkpointLease } from './step.ts';
import type { AppendCommand } from './step.ts';
import { openTransaction } from './testing/locks.ts';
import { changedTables, dumpDatabase, scalar, sql } from './testing/sql.ts';
import {
  applyUnderHead,
  call,
  cancel,
  claim,
  claimOne,
  completeReason,
  openSession,
  post,
  postCommand,
  reasonCommand,
  runningTurn,
  toolCommand,
} from './testing/turn-driver.ts';
import type { Player } from './testing/turn-driver.ts';
import { openWorld } from './testing/world.ts';
import type { World } from './testing/world.ts';
import { acceptMessage } from './accept.ts';
import { decideCancel } from '@everruns/engine';

/** Each guard of each statement fails in turn, and the whole database is compared before and after. */

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

async function changesOf<T>(act: () => Promise<T>): Promise<{ answer: T; changed: string[] }> {
  const before = await dumpDatabase(db);
  const answer = await act();
  return { answer, changed: changedTables(before, await dumpDatabase(db)) };
}

const nothing = (answer: unknown) => ({ answer, changed: [] });
const stranger = (): Uuid => player.ids.next();

async function leaseOf(task: ClaimedTask): Promise<HeldLease> {
  const lease = (await leasesOfInstance(db, player.instanceId)).find((candidate) => candidate.token === task.token);
  if (lease === undefined) throw new Error('The task has no lease.');
  return lease;
}

describe('W2: a statement writes everything or nothing', () => {
  describe('accept', () => {
    test('of an unknown session', async () => {
      expect(await changesOf(() => post(db, player, stranger()))).toEqual(nothing({ verdict: 'not_found' }));
    });

    test("of another organization's session", async () => {
      const sessionId = await openSession(db, player);
      expect(await changesOf(() => post(db, player, sessionId, { orgId: stranger() }))).toEqual(nothing({ verdict: 'not_found' }));
    });

    test('of a key that was used, whether its turn runs or has ended', async () => {
      const { sessionId, task } = await runningTurn(db, player);
      const key = player.ids.random();
      await post(db, player, sessionId, { key });
      expect(await changesOf(() => post(db, player, sessionId, { key }))).toEqual(nothing({ verdict: 'duplicate' }));
      await cancel(db, player, sessionId);
      expect(await changesOf(() => post(db, player, sessionId, { key }))).toEqual(nothing({ verdict: 'duplicate' }));
      expect(task.workflowId).toBeDefined();
    });

    test('while the session waits for its client', async () => {
      const { sessionId, task } = await runningTurn(db, player);
      await completeReason(db, player, task, [call('a', { side: 'client' })]);
      expect(await changesOf(() => post(db, player, sessionId, { key: player.ids.random() }))).toEqual(nothing({ verdict: 'waiting' }));
    });

    test('of ids that are taken is an error, not a duplicate', async () => {
      const { sessionId, task } = await runningTurn(db, player);
      await cancel(db, player, sessionId);
      const command = { ...postCommand(player, sessionId, { turnId: task.workflowId, key: player.ids.random() }) };
      const { answer, changed } = await changesOf(() => acceptMessage(db, command).catch((error: unknown) => error));
      expect(answer).toMatchObject({ code: '23505' });
      expect(changed).toEqual([]);
    });
  });

  describe('claim', () => {
    test('by a lost instance', async () => {
      const sessionId = await openSession(db, player);
      await post(db, player, sessionId);
      await loseInstance(db, { id: player.instanceId, beat: 0 });
      expect(await changesOf(() => claim(db, player, 'reason'))).toEqual(nothing([]));
    });

    test('by an instance that is not registered', async () => {
      const sessionId = await openSession(db, player);
      await post(db, player, sessionId);
      expect(await changesOf(() => claim(db, { ...player, instanceId: stranger() }, 'reason'))).toEqual(nothing([]));
    });

    test('of another pool', async () => {
      const sessionId = await openSession(db, player);
      await post(db, player, sessionId);
      expect(await changesOf(() => claim(db, player, 'tool'))).toEqual(nothing([]));
    });

    test('for an organization at its cap', async () => {
      const { sessionId } = await runningTurn(db, player);
      const other = await openSession(db, player);
      await post(db, player, other);
      expect(sessionId).not.toBe(other);
      expect(await changesOf(() => claim(db, player, 'reason', { orgCap: 1 }))).toEqual(nothing([]));
    });

    test('of a task whose turn has ended removes the task and nothing else', async () => {
      const sessionId = await openSession(db, player);
      await post(db, player, sessionId);
      await cancel(db, player, sessionId);
      expect(await changesOf(() => claim(db, player, 'reason'))).toEqual({ answer: [], changed: ['ready'] });
    });
  });

  describe('append', () => {
    const started = { type: 'output.message.started' as const, context: { exec_id: 'exec_1' }, data: {} };
    const append = (task: ClaimedTask, change: Partial<AppendCommand> = {}) =>
      appendInStep(db, { sessionId: task.sessionId, taskId: task.taskId, token: task.token, n: 1, events: [started], ...change });

    test.each(['sessionId', 'taskId', 'token'] as const)('with another %s', async (field) => {
      const { task } = await runningTurn(db, player);
      expect(await changesOf(() => append(task, { [field]: stranger() }))).toEqual(nothing({ verdict: 'lost' }));
    });

    test("with another session's head", async () => {
      const { task } = await runningTurn(db, player);
      const { sessionId } = await runningTurn(db, player);
      expect(await changesOf(() => append(task, { sessionId }))).toEqual(nothing({ verdict: 'lost' }));
    });

    test('after the turn has ended', async () => {
      const { task } = await runningTurn(db, player);
      await endTurnButKeepLease(task);
      expect(await changesOf(() => append(task))).toEqual(nothing({ verdict: 'ended' }));
    });

    test('of a number that was appended', async () => {
      const { task } = await runningTurn(db, player);
      const first = await append(task);
      const sequences = 'sequences' in first ? first.sequences : [];
      expect(await changesOf(() => append(task))).toEqual(nothing({ verdict: 'repeated', events: [], sequences }));
    });
  });

  describe('checkpoint', () => {
    test.each(['taskId', 'token'] as const)('with another %s', async (field) => {
      const { task } = await runningTurn(db, player);
      const at = { taskId: task.taskId, token: task.token, state: {}, [field]: stranger() };
      expect(await changesOf(() => checkpointLease(db, at))).toEqual(nothing(false));
    });
  });

  describe.each([
    ['text that ends the turn', []],
    ['calls', [call('a')]],
  ])('complete with %s', (_what, calls) => {
    test.each(['sessionId', 'taskId', 'token'] as const)('with another %s', async (field) => {
      const { task } = await runningTurn(db, player);
      const command = { ...reasonCommand(player, task, { seen: 1, calls }), [field]: stranger() };
      expect(await changesOf(() => completeStep(db, command))).toEqual(nothing({ verdict: 'lost' }));
    });

    test("with another session's head", async () => {
      const { task } = await runningTurn(db, player);
      const { sessionId } = await runningTurn(db, player);
      const command = { ...reasonCommand(player, task, { seen: 1, calls }), sessionId };
      expect(await changesOf(() => completeStep(db, command))).toEqual(nothing({ verdict: 'lost' }));
    });

    test('after another claim took the task', async () => {
      const { task } = await runningTurn(db, player);
      await requeueLease(db, { lease: await leaseOf(task), losses: 1, failures: 0, delayMs: 0 });
      const again = await claimOne(db, player, 'reason');
      expect(again.taskId).toBe(task.taskId);
      expect(await changesOf(() => completeStep(db, reasonCommand(player, task, { seen: 1, calls })))).toEqual(
        nothing({ verdict: 'lost' }),
      );
    });

    test('of another revision', async () => {
      const { task } = await runningTurn(db, player);
      const command = { ...reasonCommand(player, task, { seen: 1, calls }), revision: task.revision + 1 };
      expect(await changesOf(() => completeStep(db, command))).toEqual(nothing({ verdict: 'conflict' }));
    });

    test('of a step whose turn has ended drops its lease and nothing else', async () => {
      const { task } = await runningTurn(db, player);
      await endTurnButKeepLease(task);
      const command = reasonCommand(player, task, { seen: 1, calls });
      expect(await changesOf(() => completeStep(db, command))).toEqual({ answer: { verdict: 'ended' }, changed: ['leases'] });
    });
  });

  describe('complete', () => {
    test('of a call whose workflow has ended drops its lease and nothing else', async () => {
      const { task } = await runningTurn(db, player);
      await completeReason(db, player, task, [call('a')]);
      const tool = await claimOne(db, player, 'tool');
      await sql(db, `update workflows set status = 'sealed' where id = $1`, [tool.workflowId]);
      const command = toolCommand(player, tool);
      expect(await changesOf(() => completeStep(db, command))).toEqual({ answer: { verdict: 'ended' }, changed: ['leases'] });
    });

    test('that breaks half-way leaves nothing behind', async () => {
      const { task } = await runningTurn(db, player);
      const command = reasonCommand(player, task, { seen: 1, calls: [call('a')] });
      const broken = {
        ...command,
        plan: { ...command.plan, timers: [{ id: stranger(), delayMs: 1, kind: 'task' as const, ref: null, payload: null }] },
      };
      const { answer, changed } = await changesOf(() => completeStep(db, broken).catch((error: unknown) => error));
      expect(answer).toMatchObject({ code: '23502' });
      expect(changed).toEqual([]);
    });
  });

  describe('under the head', () => {
    test("of another organization's session", async () => {
      const { sessionId } = await runningTurn(db, player);
      const act = () => underHead(db, { sessionId, orgId: stranger() }, () => Promise.reject(new Error('reached')));
      expect(await changesOf(act)).toEqual(nothing(null));
    });

    test('work that throws is undone', async () => {
      const { sessionId } = await runningTurn(db, player);
      const act = () =>
        applyUnderHead(db, sessionId, () => {
          throw new Error('refused');
        }).catch((error: unknown) => (error as Error).message);
      expect(await changesOf(act)).toEqual(nothing('refused'));
    });
  });

  describe('requeue', () => {
    test.each(['taskId', 'token', 'instanceId', 'attachment'] as const)('with another %s', async (field) => {
      const { task } = await runningTurn(db, player);
      const lease = { ...(await leaseOf(task)), [field]: stranger() };
      expect(await changesOf(() => requeueLease(db, { lease, losses: 1, failures: 0, delayMs: 0 }))).toEqual(nothing(false));
    });

    test('of a lease that somebody else is deciding about', async () => {
      const { sessionId, task } = await runningTurn(db, player);
      const lease = await leaseOf(task);
      const deciding = await openTransaction(db, (tx) =>
        sql(tx, 'select task_id from leases where task_id = $1 and session_id = $2 for update', [task.taskId, sessionId]),
      );
      expect(await changesOf(() => requeueLease(db, { lease, losses: 1, failures: 0, delayMs: 0 }))).toEqual(nothing(false));
      await deciding.commit();
    });
  });

  describe('adopt', () => {
    const other = () => ({
      instanceId: player.instanceId,
      attachment: stranger(),
      bootId: player.seat.bootId,
      workerId: player.seat.workerId,
    });

    test.each(['bootId', 'workerId', 'instanceId'] as const)('with another %s', async (field) => {
      const { task } = await runningTurn(db, player);
      const at = { ...other(), tokens: [task.token], [field]: stranger() };
      expect(await changesOf(() => adoptLeases(db, at))).toEqual(nothing([]));
    });

    test('of a token that is not leased', async () => {
      await runningTurn(db, player);
      expect(await changesOf(() => adoptLeases(db, { ...other(), tokens: [stranger()] }))).toEqual(nothing([]));
    });

    test('by a lost instance', async () => {
      const { task } = await runningTurn(db, player);
      await loseInstance(db, { id: player.instanceId, beat: 0 });
      expect(await changesOf(() => adoptLeases(db, { ...other(), tokens: [task.token] }))).toEqual(nothing([]));
    });
  });

  describe('take', () => {
    test('of a task that a claim holds', async () => {
      const sessionId = await openSession(db, player);
      await post(db, player, sessionId);
      const taskId = await scalar<Uuid>(db, 'select id from ready');
      const claiming = await openTransaction(db, (tx) => sql(tx, 'select id from ready for update'));
      expect(await changesOf(() => takeReady(db, taskId))).toEqual(nothing(false));
      await claiming.commit();
    });
  });
});

/** The state between a cancel that did not know of a lease and the lease's holder hearing of it. */
async function endTurnButKeepLease(task: ClaimedTask): Promise<void> {
  const decide = (state: Parameters<typeof decideCancel>[0]) =>
    decideCancel(state, { reason: 'user_request', open: [] }, { nowMs: Date.now(), ids: player.ids, clientDeadlineMs: 1 });
  await applyUnderHead(db, task.sessionId, (state) => ({ plan: decide(state) }));
}
