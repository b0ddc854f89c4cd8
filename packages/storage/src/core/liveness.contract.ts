import type { Uuid } from '@everruns/contract';
import { decideLoss } from '@everruns/engine';
import type { LossCause } from '@everruns/engine';
import { testDatabase } from '@everruns/testing/postgres';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Database } from '../database.ts';
import { completeStep } from './complete.ts';
import { beat, loseInstance, loseOtherInstances, pruneInstances, retireInstance } from './instances.ts';
import { leasesOfInstance, orphanedLeases, requeueLease } from './leases.ts';
import type { HeldLease } from './leases.ts';
import { appendInStep, checkpointLease } from './step.ts';
import { openTransaction } from './testing/locks.ts';
import { scalar, sql } from './testing/sql.ts';
import { call, claim, claimOne, completeReason, newPlayer, openSession, post, reasonCommand, runningTurn } from './testing/turn-driver.ts';
import type { Player } from './testing/turn-driver.ts';
import { joinAsInstance, openWorld } from './testing/world.ts';
import type { World } from './testing/world.ts';
import { moveDueTasks } from './timers.ts';

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

async function anotherInstance(): Promise<Player> {
  const other = newPlayer(player.ids);
  await joinAsInstance(db, other);
  return other;
}

async function onlyLease(holder: Player = player): Promise<HeldLease> {
  const [lease, ...others] = await leasesOfInstance(db, holder.instanceId);
  if (lease === undefined || others.length > 0) throw new Error(`Expected one lease, found ${others.length + (lease ? 1 : 0)}.`);
  return lease;
}

const renew = (who: Player, hintNo = 0) => beat(db, { id: who.instanceId, hintNo });

describe('W6: instances judge each other by beats, and losing is a committed fact', () => {
  test('each renewal moves the counter that the others see, with the number of the last hint', async () => {
    const other = await anotherInstance();
    await renew(other, 7);
    await renew(other, 9);
    const { peers, renewed } = await renew(player);
    expect(renewed).toBe(true);
    expect(peers).toEqual([{ id: other.instanceId, beat: 2, hint_no: 9, versions: { turn: [1] } }]);
  });

  test('a lost instance can never renew, claim or adopt again', async () => {
    const other = await anotherInstance();
    const sessionId = await openSession(db, player);
    await post(db, player, sessionId);
    expect(await loseInstance(db, { id: other.instanceId, beat: 0 })).toBe(true);
    expect((await renew(other)).renewed).toBe(false);
    expect(await claim(db, other, 'reason')).toEqual([]);
    expect((await renew(player)).peers).toEqual([]);
    expect(await claim(db, player, 'reason')).toHaveLength(1);
  });

  test('an instance that has renewed since it was judged is not lost', async () => {
    const other = await anotherInstance();
    await renew(other);
    expect(await loseInstance(db, { id: other.instanceId, beat: 0 })).toBe(false);
    expect((await renew(other)).renewed).toBe(true);
  });

  test('one of two judges declares it', async () => {
    const other = await anotherInstance();
    const peer = { id: other.instanceId, beat: 0 };
    const verdicts = await Promise.all([loseInstance(db, peer), loseInstance(db, peer)]);
    expect(verdicts.filter(Boolean)).toHaveLength(1);
  });

  test('leases of a lost instance, of a retired one and of one that never was are found; those of the living are not', async () => {
    const lost = await anotherInstance();
    const retired = await anotherInstance();
    const unknown = newPlayer(player.ids);
    for (const holder of [lost, retired, player]) await runningTurn(db, holder);
    const { task } = await runningTurn(db, await anotherInstance());
    await sql(db, 'update leases set instance_id = $1 where token = $2', [unknown.instanceId, task.token]);
    expect((await renew(player)).leasesOrphaned).toBe(true);
    await loseInstance(db, { id: lost.instanceId, beat: 0 });
    await retireInstance(db, retired.instanceId);
    const orphans = await orphanedLeases(db, 10);
    expect(new Set(orphans.map((lease) => lease.instanceId))).toEqual(new Set([lost, retired, unknown].map((holder) => holder.instanceId)));
    expect((await orphanedLeases(db, 2)).length).toBe(2);
  });

  test('nobody is orphaned while all holders live', async () => {
    await runningTurn(db, player);
    expect((await renew(player)).leasesOrphaned).toBe(false);
    expect(await orphanedLeases(db, 10)).toEqual([]);
  });

  test('a claim that commits after its instance was lost leaves a lease that the next sweep finds', async () => {
    const other = await anotherInstance();
    const sessionId = await openSession(db, player);
    await post(db, player, sessionId);
    const claiming = await openTransaction(db, (tx) => claim(tx, other, 'reason'));
    await loseInstance(db, { id: other.instanceId, beat: 0 });
    expect((await renew(player)).leasesOrphaned).toBe(false);
    await claiming.commit();
    expect(claiming.result).toHaveLength(1);
    expect((await renew(player)).leasesOrphaned).toBe(true);
    expect((await orphanedLeases(db, 10)).map((lease) => lease.token)).toEqual([claiming.result[0]?.token]);
  });

  test('a task of a lost instance goes on elsewhere, and its old holder is lost', async () => {
    const other = await anotherInstance();
    const { task } = await runningTurn(db, other);
    await loseInstance(db, { id: other.instanceId, beat: 0 });
    const [orphan] = await orphanedLeases(db, 10);
    if (orphan === undefined) throw new Error('No orphan.');
    await requeueLease(db, { lease: orphan, losses: orphan.losses, failures: 0, delayMs: 0 });
    const again = await claimOne(db, player, 'reason');
    expect(again.started.type).toBe('reason.recovered');
    expect(await completeStep(db, reasonCommand(other, task, { seen: 1 }))).toEqual({ verdict: 'lost' });
    expect(await completeStep(db, reasonCommand(player, again, { seen: 1 }))).toMatchObject({ verdict: 'ok' });
  });

  test('the sole owner of the data declares everybody else lost', async () => {
    await anotherInstance();
    await anotherInstance();
    expect(await loseOtherInstances(db, player.instanceId)).toBe(2);
    expect((await renew(player)).renewed).toBe(true);
  });

  test('a lost instance is forgotten an hour later, when nothing is leased to it', async () => {
    const empty = await anotherInstance();
    const holding = await anotherInstance();
    await runningTurn(db, holding);
    for (const other of [empty, holding]) await loseInstance(db, { id: other.instanceId, beat: 0 });
    await pruneInstances(db);
    expect(await scalar(db, 'select count(*)::int from instances')).toBe(3);
    await world.shifted(3_601_000, pruneInstances);
    expect(await sql(db, 'select id from instances where lost_at is not null')).toEqual([{ id: holding.instanceId }]);
  });
});

describe('W7: what a loss counts', () => {
  /** Loses the only lease for a reason, does what the verdict says, and tells what became of it. */
  async function lose(cause: LossCause): Promise<{ action: string; losses?: number; delayed: boolean }> {
    const lease = await onlyLease();
    const verdict = decideLoss(lease, cause, 0.5);
    if (verdict.action !== 'requeue') return { action: verdict.action, delayed: false };
    await requeueLease(db, { lease, losses: verdict.losses, failures: lease.failures, delayMs: verdict.delayMs });
    return { action: 'requeue', losses: verdict.losses, delayed: (await scalar<number>(db, 'select count(*)::int from timers')) > 0 };
  }

  const claimLater = async (afterMs: number): Promise<void> => {
    await world.shifted(afterMs, (later) => moveDueTasks(later, 10));
    await claimOne(db, player, 'reason');
  };

  test('the first loss of a worker is repaired at once, the second one later, the third seals', async () => {
    await runningTurn(db, player);
    expect(await lose('worker_lost')).toEqual({ action: 'requeue', losses: 1, delayed: false });
    await claimOne(db, player, 'reason');
    expect(await lose('worker_lost')).toEqual({ action: 'requeue', losses: 2, delayed: true });
    expect(await moveDueTasks(db, 10)).toEqual([]);
    await claimLater(2_000);
    expect(await lose('worker_lost')).toEqual({ action: 'seal', delayed: false });
  });

  test.each<[string, (lease: HeldLease) => Promise<unknown>]>([
    ['an appended event', (lease) => appendInStep(db, { ...lease, n: 1, events: [{ type: 'reason.item', context: {}, data: {} }] })],
    ['a checkpoint', (lease) => checkpointLease(db, { ...lease, state: { response: 'r' } })],
  ])('%s since the last loss starts the count anew', async (_name, progress) => {
    await runningTurn(db, player);
    for (const round of [1, 2, 3, 4, 5]) {
      await progress(await onlyLease());
      expect({ round, ...(await lose('worker_lost')) }).toEqual({ round, action: 'requeue', losses: 1, delayed: false });
      await claimOne(db, player, 'reason');
    }
  });

  test('what an earlier attempt has stored is no progress of this one', async () => {
    await runningTurn(db, player);
    await checkpointLease(db, { ...(await onlyLease()), state: { response: 'r' } });
    const losses: unknown[] = [];
    for (let round = 0; round < 3; round++) {
      const lost = await lose('worker_lost');
      losses.push(lost.losses ?? lost.action);
      if (lost.delayed) await claimLater(2_000);
      else if (lost.action === 'requeue') await claimOne(db, player, 'reason');
    }
    expect(losses).toEqual([1, 2, 'seal']);
  });

  test.each<LossCause>(['instance_lost', 'unstarted'])('%s counts nothing, however often', async (cause) => {
    await runningTurn(db, player);
    for (const round of [1, 2, 3, 4]) {
      expect({ round, ...(await lose(cause)) }).toEqual({ round, action: 'requeue', losses: 0, delayed: false });
      await claimOne(db, player, 'reason');
    }
  });

  test('an unsafe call whose worker or instance is lost does not run again', async () => {
    const { task } = await runningTurn(db, player);
    await completeReason(db, player, task, [call('a', { effect: 'unsafe' })]);
    await claimOne(db, player, 'tool');
    expect(await lose('worker_lost')).toMatchObject({ action: 'settle_unknown' });
    expect(await lose('instance_lost')).toMatchObject({ action: 'settle_unknown' });
    expect(await lose('unstarted')).toMatchObject({ action: 'requeue' });
  });

  test('what a step has stored goes with its task to the next holder, through a delay too', async () => {
    const { task } = await runningTurn(db, player);
    await checkpointLease(db, { taskId: task.taskId, token: task.token, state: { response: 'resp_1' } });
    const lease = await onlyLease();
    const errors = [{ code: 'internal', message: 'broke', attempt: 1, at: '2026-01-01T00:00:00Z' }];
    await requeueLease(db, { lease, losses: 1, failures: 2, delayMs: 5_000, errors });
    await world.shifted(6_000, (later) => moveDueTasks(later, 10));
    const again = await claimOne(db, player, 'reason');
    expect(again).toMatchObject({
      taskId: task.taskId,
      attempt: 2,
      losses: 1,
      failures: 2,
      checkpoint: { response: 'resp_1' },
      payload: { errors },
    });
    expect({ ...again.payload, errors: undefined }).toEqual({ ...task.payload, errors: undefined });
    expect(again.token).not.toBe(task.token as Uuid);
  });
});
