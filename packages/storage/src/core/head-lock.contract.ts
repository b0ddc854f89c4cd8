import type { Uuid } from '@everruns/contract';
import { testDatabase } from '@everruns/testing/postgres';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Database } from '../database.ts';
import { completeStep } from './complete.ts';
import { underHead } from './head.ts';
import { leasesOfInstance } from './leases.ts';
import { openTransaction, untilBlocked } from './testing/locks.ts';
import { scalar, sql } from './testing/sql.ts';
import {
  call,
  cancel,
  claim,
  completeReason,
  completeTool,
  logTypes,
  openSession,
  post,
  reasonCommand,
  runningTurn,
  toolCommand,
} from './testing/turn-driver.ts';
import type { Player } from './testing/turn-driver.ts';
import { openWorld } from './testing/world.ts';
import type { World } from './testing/world.ts';

/** Interleavings of two transactions of one session, forced by real lock waits on real connections. */

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

const head = async (sessionId: Uuid) =>
  (
    await sql<{ turn_id: Uuid | null; status: string }>(db, 'select turn_id, status from session_heads where session_id = $1', [sessionId])
  )[0];
const readyTasks = (workflowId: Uuid) => scalar<number>(db, 'select count(*)::int from ready where workflow_id = $1', [workflowId]);

describe('W1: what is decided, is decided on rows that the statement has locked itself', () => {
  test('a message that waits for the end of a turn starts a new one', async () => {
    const { sessionId, task } = await runningTurn(db, player);
    const ending = await openTransaction(db, (tx) => completeStep(tx, reasonCommand(player, task, { seen: 1 })));
    const accepting = post(db, player, sessionId);
    await untilBlocked(db);
    await ending.commit();
    const accepted = await accepting;
    expect(ending.result.verdict).toBe('ok');
    expect(accepted.verdict).toBe('started');
    const running = (await head(sessionId))?.turn_id as Uuid;
    expect(running).not.toBe(task.workflowId);
    expect(await readyTasks(running)).toBe(1);
  });

  test('the end of a turn that waits for a message goes on with another step', async () => {
    const { sessionId, task } = await runningTurn(db, player);
    const accepting = await openTransaction(db, (tx) => post(tx, player, sessionId));
    const ending = completeStep(db, reasonCommand(player, task, { seen: 1 }));
    await untilBlocked(db);
    await accepting.commit();
    expect(accepting.result.verdict).toBe('steered');
    expect(await ending).toMatchObject({ verdict: 'ok', branch: 'steered' });
    expect(await head(sessionId)).toEqual({ turn_id: task.workflowId, status: 'active' });
    expect(await readyTasks(task.workflowId)).toBe(1);
  });

  test('two messages to an idle session start one turn', async () => {
    const sessionId = await openSession(db, player);
    const first = await openTransaction(db, (tx) => post(tx, player, sessionId));
    const second = post(db, player, sessionId);
    await untilBlocked(db);
    await first.commit();
    expect([first.result.verdict, (await second).verdict]).toEqual(['started', 'steered']);
    expect((await logTypes(db, sessionId)).filter((type) => type === 'turn.started')).toHaveLength(1);
  });
});

describe('W3: a claim and a cancel see each other', () => {
  test('a cancel that waits for a claim finds its lease', async () => {
    const sessionId = await openSession(db, player);
    await post(db, player, sessionId);
    const claiming = await openTransaction(db, (tx) => claim(tx, player, 'reason'));
    const cancelling = cancel(db, player, sessionId);
    await untilBlocked(db);
    await claiming.commit();
    const applied = await cancelling;
    expect(claiming.result).toHaveLength(1);
    expect(applied?.dropped.map((lease) => lease.token)).toEqual([claiming.result[0]?.token]);
    expect(await leasesOfInstance(db, player.instanceId)).toEqual([]);
    expect(await logTypes(db, sessionId)).toEqual([
      'input.message',
      'turn.started',
      'session.activated',
      'reason.started',
      'turn.cancelled',
      'session.idled',
    ]);
  });

  test('a claim that waits for a cancel drops the task', async () => {
    const sessionId = await openSession(db, player);
    await post(db, player, sessionId);
    const workflowId = (await head(sessionId))?.turn_id as Uuid;
    const held = Promise.withResolvers<void>();
    const acted = Promise.withResolvers<void>();
    const cancelling = cancel(db, player, sessionId, () => {
      acted.resolve();
      return held.promise;
    });
    await acted.promise;
    const claiming = claim(db, player, 'reason');
    await untilBlocked(db);
    held.resolve();
    await cancelling;
    expect(await claiming).toEqual([]);
    expect(await readyTasks(workflowId)).toBe(0);
    expect(await leasesOfInstance(db, player.instanceId)).toEqual([]);
    expect((await logTypes(db, sessionId)).at(-1)).toBe('session.idled');
  });

  test('the start event and the running mark of a tool call are written by the claim itself', async () => {
    const { sessionId, task } = await runningTurn(db, player);
    await completeReason(db, player, task, [call('a')]);
    const state = 'select state from tool_calls where workflow_id = $1';
    expect(await scalar(db, state, [task.workflowId])).toBe('pending');
    const [tool] = await claim(db, player, 'tool');
    expect(await scalar(db, state, [task.workflowId])).toBe('running');
    expect((await logTypes(db, sessionId)).at(-1)).toBe('tool.started');
    expect(tool?.started.type).toBe('tool.started');
  });

  test('tasks of two sessions are started in one claim, each with its own next sequence', async () => {
    const sessions = [await openSession(db, player), await openSession(db, player)];
    for (const sessionId of sessions) await post(db, player, sessionId);
    const tasks = await claim(db, player, 'reason');
    expect(tasks.map((task) => task.started.sequence)).toEqual([4, 4]);
    expect(new Set(tasks.map((task) => task.token)).size).toBe(2);
  });

  test('two calls of one session that are claimed together get neighbouring sequences', async () => {
    const { sessionId, task } = await runningTurn(db, player);
    await completeReason(db, player, task, [call('a'), call('b'), call('c')]);
    const tasks = await claim(db, player, 'tool');
    const sequences = tasks.map((claimed) => claimed.started.sequence).sort((a, b) => a - b);
    const first = sequences[0] as number;
    expect(sequences).toEqual([first, first + 1, first + 2]);
    expect(await scalar(db, 'select last_seq from session_heads where session_id = $1', [sessionId])).toBe(first + 2);
  });
});

describe('W5: completions of parallel calls commute', () => {
  const orders = [
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
  ];

  test.each(orders)('three that queue for the head in the order %i %i %i have exactly one last', async (...order) => {
    const { sessionId, task } = await runningTurn(db, player);
    await completeReason(db, player, task, [call('a'), call('b'), call('c')]);
    const tools = await claim(db, player, 'tool');
    const release = Promise.withResolvers<void>();
    const acted = Promise.withResolvers<void>();
    const blocker = underHead(db, { sessionId, orgId: null }, async () => {
      acted.resolve();
      await release.promise;
    });
    await acted.promise;
    const completions = [];
    for (const [n, index] of order.entries()) {
      const tool = tools[index];
      if (tool === undefined) throw new Error('A call was not claimed.');
      completions.push(completeTool(db, player, tool));
      await untilBlocked(db, n + 1);
    }
    release.resolve();
    await blocker;
    const results = await Promise.all(completions);
    const branches = results.map((result) => (result.verdict === 'ok' ? result.branch : result.verdict));
    expect(branches.toSorted()).toEqual(['last', 'only', 'only']);
    const log = await logTypes(db, sessionId);
    expect(log.slice(-4)).toEqual(['tool.completed', 'tool.completed', 'tool.completed', 'act.completed']);
    expect(await readyTasks(task.workflowId)).toBe(1);
  });

  test('eight at once, all decided on the same state, write one act.completed with the right counts', async () => {
    const { sessionId, task } = await runningTurn(db, player);
    const names = Array.from({ length: 8 }, (_, n) => `call_${n}`);
    await completeReason(
      db,
      player,
      task,
      names.map((name) => call(name)),
    );
    const tools = await claim(db, player, 'tool');
    const results = await Promise.all(
      tools.map((tool, n) => {
        const command = toolCommand(player, tool);
        const failed = n < 3;
        const settle = (plan: typeof command.plan) => ({
          ...plan,
          settle: plan.settle.map((settled) => (failed ? { ...settled, status: 'error' as const } : settled)),
        });
        return completeStep(db, { ...command, plan: settle(command.plan), last: settle(command.last ?? command.plan) });
      }),
    );
    expect(results.filter((result) => result.verdict === 'ok' && result.branch === 'last')).toHaveLength(1);
    const counts = await sql(
      db,
      `select (data->>'success_count')::int as success, (data->>'error_count')::int as error from events where session_id = $1 and type = 'act.completed'`,
      [sessionId],
    );
    expect(counts).toEqual([{ success: 5, error: 3 }]);
    expect(await scalar(db, 'select open_calls from workflows where id = $1', [task.workflowId])).toBe(0);
  });
});
