import { testDatabase } from '@everruns/testing/postgres';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Database } from '../database.ts';
import { leasesOfInstance, requeueLease } from './leases.ts';
import type { HeldLease } from './leases.ts';
import { checkpointLease } from './step.ts';
import { sql } from './testing/sql.ts';
import { call, claimOne, completeReason, runningTurn } from './testing/turn-driver.ts';
import type { Player } from './testing/turn-driver.ts';
import { openWorld } from './testing/world.ts';
import type { World } from './testing/world.ts';
import { moveDueTasks } from './timers.ts';

/** A task goes from one lease to the next with all that belongs to it, through the queue and through a timer. */

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

async function onlyLease(): Promise<HeldLease> {
  const [lease] = await leasesOfInstance(db, player.instanceId);
  if (lease === undefined) throw new Error('Nothing is leased.');
  return lease;
}

const OF_THE_TASK = `task_id, org_id, session_id, workflow_id, pool, priority, step, call_id, effect, payload - 'errors' as payload, checkpoint`;

test.each([
  ['the queue', 0],
  ['a timer', 5_000],
])('through %s', async (_way, delayMs) => {
  const { task } = await runningTurn(db, player);
  await completeReason(db, player, task, [call('a', { effect: 'readonly' })]);
  await sql(db, 'update ready set priority = 7');
  const first = await claimOne(db, player, 'tool');
  await checkpointLease(db, { taskId: first.taskId, token: first.token, state: { page: 3 } });
  const before = await sql(db, `select ${OF_THE_TASK} from leases`);
  expect((await onlyLease()).progress).toBe(true);
  for (let attempt = 2; attempt <= 3; attempt++) {
    const errors = [{ code: 'bug', message: 'oops', attempt: attempt - 1, at: '2025-01-01T00:00:00.000Z' }];
    expect(await requeueLease(db, { lease: await onlyLease(), losses: attempt, failures: attempt + 1, delayMs, errors })).toBe(true);
    if (delayMs > 0) expect(await moveDueTasks(db, 10)).toEqual([]);
    await sql(db, 'update timers set due_at = engine_now()');
    expect(await moveDueTasks(db, 10)).toEqual(delayMs > 0 ? ['tool'] : []);
    const again = await claimOne(db, player, 'tool');
    expect(again).toMatchObject({ attempt, losses: attempt, failures: attempt + 1, checkpoint: { page: 3 } });
    expect(again.token).not.toBe(first.token);
    expect(await sql(db, `select ${OF_THE_TASK} from leases`)).toEqual(before);
    expect((await onlyLease()).progress).toBe(false);
    if (delayMs > 0) expect(again.payload.errors).toEqual(errors);
  }
});
