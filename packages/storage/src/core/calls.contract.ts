import { DEFAULT_ORG_ID } from '@everruns/contract';
import type { Uuid } from '@everruns/contract';
import { decideAbandon, decideCancel, decideClientDeadline, decideClientResults, decideTool } from '@everruns/engine';
import type { EventDraft, TurnState } from '@everruns/engine';
import { testDatabase } from '@everruns/testing/postgres';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Database } from '../database.ts';
import { findMessageByKey } from './accept.ts';
import type { ClaimedTask } from './claim.ts';
import { completeStep } from './complete.ts';
import { underHead } from './head.ts';
import { leasesOfInstance, requeueLease } from './leases.ts';
import { appendInStep } from './step.ts';
import { openTransaction, untilBlocked } from './testing/locks.ts';
import { scalar, sql } from './testing/sql.ts';
import {
  applyUnderHead,
  call,
  cancel,
  claim,
  claimOne,
  completeReason,
  completeTool,
  decideContext,
  logTypes,
  openCalls,
  post,
  readLog,
  reasonCommand,
  runningTurn,
} from './testing/turn-driver.ts';
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

async function onlyLease() {
  const [lease, ...others] = await leasesOfInstance(db, player.instanceId);
  if (lease === undefined || others.length > 0) throw new Error('Expected one lease.');
  return lease;
}

const callStates = async (workflowId: Uuid) =>
  Object.fromEntries(
    (
      await sql<{ call_id: string; state: string }>(db, 'select call_id, state from tool_calls where workflow_id = $1 order by call_id', [
        workflowId,
      ])
    ).map((row) => [row.call_id, row.state]),
  );

describe('R7: pending, running, settled', () => {
  test('a call is pending until its claim, running until its result', async () => {
    const { task } = await runningTurn(db, player);
    await completeReason(db, player, task, [call('a'), call('b')]);
    expect(await callStates(task.workflowId)).toEqual({ a: 'pending', b: 'pending' });
    const [first, second] = await claim(db, player, 'tool', { seats: 2 });
    expect(await callStates(task.workflowId)).toEqual({ a: 'running', b: 'running' });
    await completeTool(db, player, first as ClaimedTask);
    expect(Object.values(await callStates(task.workflowId)).toSorted()).toEqual(['running', 'settled']);
    await completeTool(db, player, second as ClaimedTask);
    expect(await callStates(task.workflowId)).toEqual({ a: 'settled', b: 'settled' });
  });

  test('an unsafe call that its holder gives back unstarted runs, and counts as no loss and no failure', async () => {
    const { task } = await runningTurn(db, player);
    await completeReason(db, player, task, [call('a', { effect: 'unsafe' })]);
    await claimOne(db, player, 'tool');
    const lease = await onlyLease();
    await requeueLease(db, { lease, losses: lease.losses, failures: lease.failures, delayMs: 0 });
    const again = await claimOne(db, player, 'tool');
    expect(again).toMatchObject({ taskId: lease.taskId, losses: 0, failures: 0, effect: 'unsafe' });
    expect(await completeTool(db, player, again)).toMatchObject({ verdict: 'ok', branch: 'last' });
    expect(await callStates(task.workflowId)).toEqual({ a: 'settled' });
  });

  test('a call whose outcome is unknown is settled once; what its old holder says later stays out of the log', async () => {
    const { sessionId, task } = await runningTurn(db, player);
    await completeReason(db, player, task, [call('a', { effect: 'unsafe' })]);
    const tool = await claimOne(db, player, 'tool');
    await applyUnderHead(db, sessionId, (state, workflow) => {
      const plans = new Map(workflow.calls.map((row) => [row.callId, row.plan]));
      const end = { status: 'unknown' as const, error: 'Nobody knows.' };
      return { plan: decideTool(state, { callId: 'a', end, plans }, decideContext(player)).last, drop: [tool.taskId] };
    });
    const log = await logTypes(db, sessionId);
    expect(await completeTool(db, player, tool)).toEqual({ verdict: 'lost' });
    expect(await logTypes(db, sessionId)).toEqual(log);
    expect(await scalar(db, `select status || ' ' || (result->>'error') from tool_calls`)).toBe('unknown Nobody knows.');
  });

  test('a claim opens no call that is settled', async () => {
    const { task } = await runningTurn(db, player);
    await completeReason(db, player, task, [call('a'), call('b')]);
    await sql(db, 'create table kept as select * from ready');
    const [first] = await claim(db, player, 'tool', { seats: 1 });
    await completeTool(db, player, first as ClaimedTask);
    const before = await sql(db, `select * from tool_calls where state = 'settled'`);
    await sql(db, `insert into ready select * from kept where id = $1`, [first?.taskId]);
    await claim(db, player, 'tool', { seats: 2 });
    expect(await sql(db, `select * from tool_calls where state = 'settled'`)).toEqual(before);
    await sql(db, 'drop table kept');
  });

  test('calls of one step and ids of another do not meet', async () => {
    const { task } = await runningTurn(db, player);
    await completeReason(db, player, task, [call('a')]);
    await completeTool(db, player, await claimOne(db, player, 'tool'));
    await completeReason(db, player, await claimOne(db, player, 'reason'), [call('a')]);
    expect(await sql(db, 'select step, state from tool_calls order by step')).toEqual([
      { step: 1, state: 'settled' },
      { step: 2, state: 'pending' },
    ]);
  });
});

describe('R8: after a cancel nothing of its turn is written', () => {
  test('the cancel settles what is open, and what comes late is told that it is lost', async () => {
    const { sessionId, task } = await runningTurn(db, player);
    await completeReason(db, player, task, [call('a'), call('b')]);
    const [running] = await claim(db, player, 'tool', { seats: 1 });
    const applied = await cancel(db, player, sessionId);
    expect(applied?.dropped).toEqual([{ token: running?.token, instanceId: player.instanceId, attachment: player.seat.attachment }]);
    const log = await readLog(db, sessionId);
    expect(log.slice(-5).map((event) => event.type)).toEqual([
      'tool.completed',
      'tool.completed',
      'act.completed',
      'turn.cancelled',
      'session.idled',
    ]);
    const texts = log.filter((event) => event.type === 'tool.completed').map((event) => String(event.data['error']));
    expect(texts.toSorted()).toEqual(['Cancelled before it started.', 'Cancelled while it was running; it may have taken effect.']);
    expect(await callStates(task.workflowId)).toEqual({ a: 'settled', b: 'settled' });
    if (running === undefined) throw new Error('Nothing was claimed.');
    expect(await completeTool(db, player, running)).toEqual({ verdict: 'lost' });
    const events = [{ type: 'tool.progress' as const, context: {}, data: {} }];
    expect(await appendInStep(db, { sessionId, taskId: running.taskId, token: running.token, n: 1, events })).toEqual({ verdict: 'lost' });
    expect(await claim(db, player, 'tool')).toEqual([]);
    expect(await logTypes(db, sessionId)).toEqual(log.map((event) => event.type));
  });

  test('a holder whose lease the cancel did not take hears that the turn has ended, and its lease goes', async () => {
    const { sessionId, task } = await runningTurn(db, player);
    await applyUnderHead(db, sessionId, (state) => ({
      plan: decideCancel(state, { reason: 'user_request', open: [] }, decideContext(player)),
    }));
    expect(await completeStep(db, reasonCommand(player, task, { seen: 1 }))).toEqual({ verdict: 'ended' });
    expect(await leasesOfInstance(db, player.instanceId)).toEqual([]);
    expect((await logTypes(db, sessionId)).at(-1)).toBe('session.idled');
  });

  test('a completion that waits for the cancel is lost', async () => {
    const { sessionId, task } = await runningTurn(db, player);
    const release = Promise.withResolvers<void>();
    const acted = Promise.withResolvers<void>();
    const cancelling = cancel(db, player, sessionId, () => {
      acted.resolve();
      return release.promise;
    });
    await acted.promise;
    const completing = completeStep(db, reasonCommand(player, task, { seen: 1 }));
    await untilBlocked(db);
    release.resolve();
    await cancelling;
    expect(await completing).toEqual({ verdict: 'lost' });
  });

  test('a cancel that waits for the end of the turn finds nothing to cancel', async () => {
    const { sessionId, task } = await runningTurn(db, player);
    const ending = await openTransaction(db, (tx) => completeStep(tx, reasonCommand(player, task, { seen: 1 })));
    const cancelling = cancel(db, player, sessionId);
    await untilBlocked(db);
    await ending.commit();
    expect(await cancelling).toBeNull();
    expect((await logTypes(db, sessionId)).slice(-2)).toEqual(['turn.completed', 'session.idled']);
  });

  test('a message right after it starts a new turn although the old tool has not stopped', async () => {
    const { sessionId, task } = await runningTurn(db, player);
    await completeReason(db, player, task, [call('a')]);
    const tool = await claimOne(db, player, 'tool');
    await cancel(db, player, sessionId);
    expect(await post(db, player, sessionId)).toMatchObject({ verdict: 'started' });
    const next = await claimOne(db, player, 'reason');
    expect(next.workflowId).not.toBe(tool.workflowId);
    expect(await completeTool(db, player, tool)).toEqual({ verdict: 'lost' });
    expect(await completeReason(db, player, next)).toMatchObject({ verdict: 'ok' });
  });
});

describe('R9: client-side calls next to server calls', () => {
  const waiting = async (clients: string[]) => {
    const { sessionId, task } = await runningTurn(db, player);
    await completeReason(db, player, task, [call('server'), ...clients.map((id) => call(id, { side: 'client' }))]);
    return { sessionId, task };
  };
  const headStatus = (sessionId: Uuid) => scalar<string>(db, 'select status from session_heads where session_id = $1', [sessionId]);
  const answer = (sessionId: Uuid, ids: string[]) =>
    applyUnderHead(db, sessionId, (state, workflow) => {
      const results = ids.map((callId) => ({ callId, result: callId }));
      return { plan: decideClientResults(state, openCalls(workflow), results, decideContext(player)) };
    });

  test('the request and the waiting status commit with the result of the last server call', async () => {
    const { sessionId } = await waiting(['x', 'y']);
    expect(await headStatus(sessionId)).toBe('active');
    expect(await logTypes(db, sessionId)).not.toContain('tool.call_requested');
    await completeTool(db, player, await claimOne(db, player, 'tool'));
    expect(await headStatus(sessionId)).toBe('waiting_for_tool_results');
    expect((await logTypes(db, sessionId)).slice(-2)).toEqual(['tool.completed', 'tool.call_requested']);
    expect(await scalar(db, 'select status || open_calls from workflows')).toBe('waiting2');
    expect(await scalar(db, `select count(*)::int from timers where kind = 'client_deadline'`)).toBe(1);
  });

  test('partial answers are kept; the one that completes the set resumes', async () => {
    const { sessionId, task } = await waiting(['x', 'y']);
    await completeTool(db, player, await claimOne(db, player, 'tool'));
    await answer(sessionId, ['y']);
    expect(await callStates(task.workflowId)).toEqual({ server: 'settled', x: 'pending', y: 'settled' });
    expect(await headStatus(sessionId)).toBe('waiting_for_tool_results');
    await answer(sessionId, ['x']);
    expect(await headStatus(sessionId)).toBe('active');
    expect((await logTypes(db, sessionId)).slice(-3)).toEqual(['tool.completed', 'tool.completed', 'act.completed']);
    const counts = await sql(
      db,
      `select data->'success_count' as ok, data->'error_count' as failed from events where type = 'act.completed'`,
    );
    expect(counts).toEqual([{ ok: 3, failed: 0 }]);
    expect(await completeReason(db, player, await claimOne(db, player, 'reason'))).toMatchObject({ verdict: 'ok' });
  });

  test('deadline and message compete under the head: the second one finds the turn resumed', async () => {
    const { sessionId } = await waiting(['x']);
    await completeTool(db, player, await claimOne(db, player, 'tool'));
    const message: EventDraft[] = [
      { type: 'input.message', context: {}, data: { message: { id: 'message_x', role: 'user', content: [] } } },
    ];
    const ifWaiting = (plan: (state: TurnState, calls: ReturnType<typeof openCalls>) => ReturnType<typeof decideClientDeadline>) =>
      underHead(db, { sessionId, orgId: null }, async (held) => {
        const workflow = held.head.turnId === null ? null : await held.workflow(held.head.turnId);
        if (workflow?.status !== 'waiting') return 'too late';
        return held.apply(workflow.id, plan(workflow.state as TurnState, openCalls(workflow)));
      });
    const [deadline, abandoned] = await Promise.all([
      ifWaiting((state, open) => decideClientDeadline(state, open, decideContext(player))),
      ifWaiting((state, open) => decideAbandon(state, open, message, decideContext(player))),
    ]);
    expect([deadline, abandoned].filter((end) => end === 'too late')).toHaveLength(1);
    expect((await logTypes(db, sessionId)).filter((type) => type === 'act.completed')).toHaveLength(1);
    expect(await scalar(db, 'select count(*)::int from ready')).toBe(1);
  });

  test("a message that abandons the wait is stored under its client's key: its repetition is a duplicate", async () => {
    const { sessionId } = await waiting(['x']);
    await completeTool(db, player, await claimOne(db, player, 'tool'));
    const key = player.ids.random();
    const message: EventDraft[] = [
      { type: 'input.message', context: {}, data: { message: { id: 'message_x', role: 'user', content: [] } } },
    ];
    await underHead(db, { sessionId, orgId: null }, async (held) => {
      const workflow = await held.workflow(held.head.turnId as Uuid);
      if (workflow === null) throw new Error('The workflow is gone.');
      const plan = decideAbandon(workflow.state as TurnState, openCalls(workflow), message, decideContext(player));
      return held.apply(workflow.id, plan, { messageKey: key });
    });
    expect(await post(db, player, sessionId, { key })).toEqual({ verdict: 'duplicate' });
    const stored = await findMessageByKey(db, { orgId: DEFAULT_ORG_ID, sessionId, key });
    expect(stored).toMatchObject({ data: { message: { id: 'message_x' } } });
    expect(stored?.seq).toBe(await scalar(db, 'select last_input_seq from session_heads where session_id = $1', [sessionId]));
  });

  test('a message that abandons the wait raises the last input; its turn does not end without it', async () => {
    const { sessionId } = await waiting(['x']);
    await completeTool(db, player, await claimOne(db, player, 'tool'));
    const message: EventDraft[] = [
      { type: 'input.message', context: {}, data: { message: { id: 'message_x', role: 'user', content: [] } } },
    ];
    const applied = await applyUnderHead(db, sessionId, (state, workflow) => {
      return { plan: decideAbandon(state, openCalls(workflow), message, decideContext(player)) };
    });
    const stored = applied?.events.find((event) => event.type === 'input.message')?.sequence;
    expect(await scalar(db, 'select last_input_seq from session_heads where session_id = $1', [sessionId])).toBe(stored);
  });
});
