import type { Uuid } from '@everruns/contract';
import { decideCancel, decideDeath, decideGoOn, decideSeal, decideTool } from '@everruns/engine';
import type { Plan, TurnState } from '@everruns/engine';
import { testDatabase } from '@everruns/testing/postgres';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Database } from '../database.ts';
import type { ClaimedTask } from './claim.ts';
import { completeStep } from './complete.ts';
import { findMessageByKey } from './accept.ts';
import { leasesOfInstance, requeueLease, strayLeasesOfWorker } from './leases.ts';
import { appendInStep } from './step.ts';
import { openTransaction, untilBlocked } from './testing/locks.ts';
import { scalar, sql } from './testing/sql.ts';
import {
  applyUnderHead,
  call,
  claim,
  claimOne,
  completeReason,
  completeTool,
  decideContext,
  logTypes,
  post,
  readLog,
  reasonCommand,
  runningTurn,
  toolCommand,
} from './testing/turn-driver.ts';
import type { Player } from './testing/turn-driver.ts';
import { openWorld } from './testing/world.ts';
import type { World } from './testing/world.ts';

/** What a plan does to the rows that its statement has locked, and what it leaves alone. */

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

describe('the end of a turn frees its session', () => {
  const ends: [string, (state: TurnState) => Plan][] = [
    ['cancelled', (state) => decideCancel(state, { reason: 'user_request', open: [] }, decideContext(player))],
    ['sealed', (state) => decideSeal(state, [], decideContext(player))],
    ['failed', (state) => decideDeath(state, [], 'It died.', decideContext(player))],
  ];

  test.each(ends)('%s', async (status, decide) => {
    const { sessionId, task } = await runningTurn(db, player);
    await applyUnderHead(db, sessionId, (state) => ({ plan: decide(state), drop: 'all' }));
    expect(await sql(db, 'select status, ended_at is not null as ended from workflows')).toEqual([{ status, ended: true }]);
    expect(await sql(db, 'select turn_id, status from session_heads')).toEqual([{ turn_id: null, status: 'idle' }]);
    expect(await post(db, player, sessionId)).toMatchObject({ verdict: 'started' });
    expect((await claimOne(db, player, 'reason')).workflowId).not.toBe(task.workflowId);
  });

  test('completed', async () => {
    const { sessionId, task } = await runningTurn(db, player);
    await completeReason(db, player, task);
    expect(await sql(db, 'select turn_id, status from session_heads')).toEqual([{ turn_id: null, status: 'idle' }]);
    expect(await post(db, player, sessionId)).toMatchObject({ verdict: 'started' });
  });
});

describe('W2: guards that only a broken neighbour would need', () => {
  test('a step whose session runs another turn, or none, is over, although its workflow runs', async () => {
    const { sessionId, task } = await runningTurn(db, player);
    const log = await logTypes(db, sessionId);
    for (const turnId of [null, player.ids.next()]) {
      await sql(db, 'update session_heads set turn_id = $1', [turnId]);
      await sql(db, 'create table kept as select * from leases');
      expect(await completeStep(db, reasonCommand(player, task, { seen: 1 }))).toEqual({ verdict: 'ended' });
      await sql(db, 'insert into leases select * from kept');
      await sql(db, 'drop table kept');
    }
    expect(await logTypes(db, sessionId)).toEqual(log);
  });

  test('a plan drops leases of its own workflow only', async () => {
    const { sessionId } = await runningTurn(db, player);
    const { task: foreign } = await runningTurn(db, player);
    await applyUnderHead(db, sessionId, (state) => ({ plan: decideGoOn(state, [], decideContext(player)), drop: [foreign.taskId] }));
    expect((await leasesOfInstance(db, player.instanceId)).map((lease) => lease.token)).toContain(foreign.token);
  });

  test('a message is found under its key by its own organization only', async () => {
    const { sessionId } = await runningTurn(db, player);
    const key = player.ids.random();
    await post(db, player, sessionId, { key });
    expect(await findMessageByKey(db, { orgId: player.ids.next(), sessionId, key })).toBeNull();
  });
});

describe('R7: the first settlement of a call stays', () => {
  test('whatever a later plan says of it', async () => {
    const { sessionId, task } = await runningTurn(db, player);
    await completeReason(db, player, task, [call('a'), call('b')]);
    const settle = (result: string) =>
      applyUnderHead(db, sessionId, (state, workflow) => {
        const plans = new Map(workflow.calls.map((row) => [row.callId, row.plan]));
        return { plan: decideTool(state, { callId: 'a', end: { status: 'success', result }, plans }, decideContext(player)).others };
      });
    await settle('first');
    await settle('second');
    expect(await scalar(db, `select result->>'result' from tool_calls where call_id = 'a'`)).toBe('first');
  });
});

describe('W5: counts are those of the locked row', () => {
  test('and begin anew with each batch', async () => {
    const { sessionId, task } = await runningTurn(db, player);
    let reason: ClaimedTask = task;
    for (const status of ['error', 'success'] as const) {
      await completeReason(db, player, reason, [call('a')]);
      const command = toolCommand(player, await claimOne(db, player, 'tool'));
      const ended = (plan: Plan): Plan => ({ ...plan, settle: plan.settle.map((settled) => ({ ...settled, status })) });
      await completeStep(db, { ...command, plan: ended(command.plan), last: ended(command.last ?? command.plan) });
      reason = await claimOne(db, player, 'reason');
    }
    const counts = (await readLog(db, sessionId)).flatMap(({ type, data }) => (type === 'act.completed' ? [data] : []));
    expect(counts).toMatchObject([
      { success_count: 0, error_count: 1 },
      { success_count: 1, error_count: 0 },
    ]);
  });
});

describe('W1: a lease that is on its way to somebody else', () => {
  /** Gives the only lease back, and tells so when everything that looked at it meanwhile waits. */
  async function whileGivenBack<T>(work: () => Promise<T>): Promise<T> {
    const [lease] = await leasesOfInstance(db, player.instanceId);
    if (lease === undefined) throw new Error('Nothing is leased.');
    const giving = await openTransaction(db, (tx) => requeueLease(tx, { lease, losses: 1, failures: 0, delayMs: 0 }));
    const working = work();
    await untilBlocked(db);
    await giving.commit();
    return working;
  }

  test('is waited for by an append, which then writes nothing', async () => {
    const { sessionId, task } = await runningTurn(db, player);
    const before = await logTypes(db, sessionId);
    const events = [{ type: 'output.message.started' as const, context: { exec_id: 'exec_1' }, data: {} }];
    const append = () => appendInStep(db, { sessionId, taskId: task.taskId, token: task.token, n: 1, events });
    expect(await whileGivenBack(append)).toEqual({ verdict: 'lost' });
    expect(await logTypes(db, sessionId)).toEqual(before);
  });

  test('is waited for by a completion, which then writes nothing', async () => {
    const { sessionId, task } = await runningTurn(db, player);
    const before = await logTypes(db, sessionId);
    expect(await whileGivenBack(() => completeStep(db, reasonCommand(player, task, { seen: 1 })))).toEqual({ verdict: 'lost' });
    expect(await logTypes(db, sessionId)).toEqual(before);
  });
});

test('W11: only the registered stream of a worker finds what its others have left', async () => {
  const { task } = await runningTurn(db, player);
  const { workerId, bootId } = player.seat;
  const [registered, late] = [player.ids.next(), player.ids.next()];
  const row = [workerId, bootId, player.instanceId, registered];
  await sql(db, `insert into workers (id, boot_id, instance_id, attachment, pools, status) values ($1, $2, $3, $4, '{}', 'running')`, row);
  expect(await strayLeasesOfWorker(db, { workerId, attachment: late })).toEqual([]);
  expect(await strayLeasesOfWorker(db, { workerId, attachment: registered })).toMatchObject([{ token: task.token }]);
});

test('W11: a lease that is granted along with a completion names the token that it was granted under', async () => {
  const { task } = await runningTurn(db, player);
  await completeReason(db, player, task, [call('a')]);
  const tool = await claimOne(db, player, 'tool');
  const { last, ...command } = toolCommand(player, tool);
  const token: Uuid = player.ids.random();
  const [next] = last?.tasks ?? [];
  if (last === undefined || next === undefined) throw new Error('The turn does not go on.');
  await completeStep(db, { ...command, last: { ...last, tasks: [], leases: [{ ...next, token }] } });
  expect(await sql(db, 'select token, granted_by from leases')).toEqual([{ token, granted_by: tool.token }]);
});

test('a task that is started again says so in the log, with the number of its attempt', async () => {
  const { sessionId, task } = await runningTurn(db, player);
  const [lease] = await leasesOfInstance(db, player.instanceId);
  if (lease === undefined) throw new Error('Nothing is leased.');
  await requeueLease(db, { lease, losses: 1, failures: 0, delayMs: 0 });
  const again = await claimOne(db, player, 'reason');
  expect([task.started.type, again.started.type]).toEqual(['reason.started', 'reason.recovered']);
  const starts = (await readLog(db, sessionId)).filter((event) => event.type.startsWith('reason.'));
  expect(starts.map((event) => event.data['attempt'])).toEqual([1, 2]);
  expect(await completeReason(db, player, again, [call('a')])).toMatchObject({ verdict: 'ok' });
  expect(await completeTool(db, player, (await claim(db, player, 'tool'))[0] as ClaimedTask)).toMatchObject({ verdict: 'ok' });
});
