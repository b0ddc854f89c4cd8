import { toPublicId } from '@everruns/contract';
import type { Uuid } from '@everruns/contract';
import { testDatabase } from '@everruns/testing/postgres';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Database } from '../database.ts';
import { findMessageByKey } from './accept.ts';
import { completeStep } from './complete.ts';
import { underHead } from './head.ts';
import { adoptLeases, leasesOfInstance, leasesOfWorker, requeueLease } from './leases.ts';
import { readPrompt } from './prompt.ts';
import { appendInStep } from './step.ts';
import { dumpDatabase, scalar, sql } from './testing/sql.ts';
import {
  call,
  cancelHeld,
  claim,
  claimOne,
  completeReason,
  completeTool,
  logTypes,
  newPlayer,
  openSession,
  post,
  postCommand,
  reasonCommand,
  runningTurn,
  toolCommand,
} from './testing/turn-driver.ts';
import type { Player } from './testing/turn-driver.ts';
import { joinAsInstance, openWorld } from './testing/world.ts';
import type { World } from './testing/world.ts';
import { acceptMessage } from './accept.ts';
import { DEFAULT_ORG_ID } from '@everruns/contract';

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

describe('W11: every write can be repeated', () => {
  test('a completion repeated with its token says so, and writes nothing', async () => {
    const { task } = await runningTurn(db, player);
    const command = reasonCommand(player, task, { seen: 1 });
    expect(await completeStep(db, command)).toMatchObject({ verdict: 'ok' });
    const before = await dumpDatabase(db);
    expect(await completeStep(db, command)).toEqual({ verdict: 'repeated' });
    expect(await dumpDatabase(db)).toEqual(before);
  });

  test('a completion decided anew, with other ids and another text, is still the repetition of its token', async () => {
    const { task } = await runningTurn(db, player);
    await completeStep(db, reasonCommand(player, task, { seen: 1 }));
    const before = await dumpDatabase(db);
    expect(await completeStep(db, reasonCommand(player, task, { seen: 1, calls: [call('a')] }))).toEqual({ verdict: 'repeated' });
    expect(await dumpDatabase(db)).toEqual(before);
  });

  test('a completion is recognised after the next step, after the end of the turn, and in every branch', async () => {
    const { sessionId, task } = await runningTurn(db, player);
    await post(db, player, sessionId);
    const steered = reasonCommand(player, task, { seen: 1 });
    expect(await completeStep(db, steered)).toMatchObject({ branch: 'steered' });
    const next = await claimOne(db, player, 'reason');
    await completeReason(db, player, next, [call('a'), call('b')]);
    const tools = await claim(db, player, 'tool');
    const commands = tools.map((tool) => toolCommand(player, tool));
    expect((await Promise.all(commands.map((command) => completeStep(db, command)))).map((result) => result.verdict)).toEqual(['ok', 'ok']);
    const final = await claimOne(db, player, 'reason');
    await completeReason(db, player, final);
    for (const command of [steered, ...commands]) expect(await completeStep(db, command)).toEqual({ verdict: 'repeated' });
  });

  test('two completions with one token at the same time write once', async () => {
    const { sessionId, task } = await runningTurn(db, player);
    const command = reasonCommand(player, task, { seen: 1 });
    const verdicts = (await Promise.all([completeStep(db, command), completeStep(db, command)])).map((result) => result.verdict);
    expect(verdicts.toSorted()).toEqual(['ok', 'repeated']);
    expect((await logTypes(db, sessionId)).filter((type) => type === 'turn.completed')).toHaveLength(1);
  });

  test('an append repeated by its number names the sequences of the first one', async () => {
    const { task } = await runningTurn(db, player);
    const context = { exec_id: 'exec_1' };
    const append = (n: number, types: ('reason.item' | 'output.message.started')[]) =>
      appendInStep(db, {
        sessionId: task.sessionId,
        taskId: task.taskId,
        token: task.token,
        n,
        events: types.map((type) => ({ type, context, data: {} })),
      });
    await append(1, ['output.message.started', 'reason.item']);
    const second = await append(2, ['reason.item', 'reason.item', 'reason.item']);
    expect(second).toMatchObject({ verdict: 'ok', sequences: [7, 8, 9] });
    expect(await append(2, ['reason.item', 'reason.item', 'reason.item'])).toEqual({
      verdict: 'repeated',
      events: [],
      sequences: [7, 8, 9],
    });
  });

  test('two appends of one number at the same time write once', async () => {
    const { sessionId, task } = await runningTurn(db, player);
    const events = [{ type: 'output.message.started' as const, context: { exec_id: 'exec_1' }, data: {} }];
    const append = () => appendInStep(db, { sessionId, taskId: task.taskId, token: task.token, n: 1, events });
    const results = await Promise.all([append(), append()]);
    expect(results.map((result) => result.verdict).toSorted()).toEqual(['ok', 'repeated']);
    expect(results.map((result) => 'sequences' in result && result.sequences)).toEqual([[5], [5]]);
  });

  test('a later attempt numbers its appends anew', async () => {
    const { sessionId, task } = await runningTurn(db, player);
    const events = [{ type: 'output.message.started' as const, context: { exec_id: 'exec_1' }, data: {} }];
    await appendInStep(db, { sessionId, taskId: task.taskId, token: task.token, n: 1, events });
    const [lease] = await leasesOfInstance(db, player.instanceId);
    if (lease === undefined) throw new Error('No lease.');
    await requeueLease(db, { lease, losses: 1, failures: 0, delayMs: 0 });
    const again = await claimOne(db, player, 'reason');
    expect(await appendInStep(db, { sessionId, taskId: again.taskId, token: again.token, n: 1, events })).toMatchObject({ verdict: 'ok' });
  });

  test('a message with a key is found by it after an unknown outcome, and its repetition is a duplicate', async () => {
    const sessionId = await openSession(db, player);
    const key = player.ids.random();
    const messageId = player.ids.random();
    const command = postCommand(player, sessionId, { key, messageId });
    await acceptMessage(db, command);
    expect(await acceptMessage(db, command)).toEqual({ verdict: 'duplicate' });
    const found = await findMessageByKey(db, { orgId: DEFAULT_ORG_ID, sessionId, key });
    expect(found).toMatchObject({ seq: 1, data: { message: { id: toPublicId('message', messageId) } } });
    expect(await findMessageByKey(db, { orgId: player.ids.next(), sessionId, key })).toBeNull();
  });

  test('concurrent duplicates of one key store one message', async () => {
    const sessionId = await openSession(db, player);
    const key = player.ids.random();
    const results = await Promise.all(Array.from({ length: 6 }, () => post(db, player, sessionId, { key })));
    expect(results.map((result) => result.verdict).toSorted()).toEqual([...Array<string>(5).fill('duplicate'), 'started']);
    expect((await logTypes(db, sessionId)).filter((type) => type === 'input.message')).toHaveLength(1);
  });

  test('a message that is found again tells whether it started a turn', async () => {
    const sessionId = await openSession(db, player);
    const [first, second] = [player.ids.random(), player.ids.random()];
    const at = { orgId: DEFAULT_ORG_ID, sessionId };
    expect(await findMessageByKey(db, { ...at, key: first })).toBeNull();
    await post(db, player, sessionId, { messageId: first });
    await post(db, player, sessionId, { messageId: second });
    expect(await findMessageByKey(db, { ...at, key: first })).toMatchObject({ seq: 1, started: true });
    expect(await findMessageByKey(db, { ...at, key: second })).toMatchObject({ started: false });
  });

  test('a worker that attaches again keeps the leases it names; what it does not name was never delivered', async () => {
    const { task } = await runningTurn(db, player);
    await completeReason(db, player, task, [call('a'), call('b'), call('c')]);
    const tools = await claim(db, player, 'tool');
    const [known, other, undelivered] = tools.map((tool) => tool.token);
    const { bootId, workerId } = player.seat;
    const attachment = player.ids.next();
    const held = await adoptLeases(db, {
      instanceId: player.instanceId,
      attachment,
      bootId,
      workerId,
      tokens: [known as Uuid, other as Uuid, player.ids.random()],
    });
    expect(new Set(held.map((lease) => lease.token))).toEqual(new Set([known, other]));
    expect(held.every((lease) => lease.attachment === attachment)).toBe(true);
    const left = (await leasesOfWorker(db, workerId)).filter((lease) => lease.attachment !== attachment);
    expect(left.map((lease) => lease.token)).toEqual([undelivered]);
  });

  test('leases go with their worker to another instance', async () => {
    const { task } = await runningTurn(db, player);
    const second = newPlayer(player.ids);
    await joinAsInstance(db, second);
    const { bootId, workerId } = player.seat;
    await adoptLeases(db, { instanceId: second.instanceId, attachment: second.seat.attachment, bootId, workerId, tokens: [task.token] });
    expect(await leasesOfInstance(db, player.instanceId)).toEqual([]);
    expect((await leasesOfInstance(db, second.instanceId)).map((lease) => lease.token)).toEqual([task.token]);
    expect(await completeStep(db, reasonCommand(player, task, { seen: 1 }))).toMatchObject({ verdict: 'ok' });
  });

  test('a late release cannot touch a lease that was adopted meanwhile', async () => {
    const { task } = await runningTurn(db, player);
    const [lease] = await leasesOfInstance(db, player.instanceId);
    if (lease === undefined) throw new Error('No lease.');
    const { bootId, workerId } = player.seat;
    await adoptLeases(db, { instanceId: player.instanceId, attachment: player.ids.next(), bootId, workerId, tokens: [task.token] });
    expect(await requeueLease(db, { lease, losses: 1, failures: 0, delayMs: 0 })).toBe(false);
    expect(await scalar(db, 'select count(*)::int from ready')).toBe(0);
  });

  test('a release that is repeated after an unknown outcome does not take the task from its next holder', async () => {
    await runningTurn(db, player);
    const [lease] = await leasesOfInstance(db, player.instanceId);
    if (lease === undefined) throw new Error('No lease.');
    const command = { lease, losses: 1, failures: 0, delayMs: 0 };
    expect(await requeueLease(db, command)).toBe(true);
    expect(await requeueLease(db, command)).toBe(false);
    const again = await claimOne(db, player, 'reason');
    expect(await requeueLease(db, command)).toBe(false);
    expect((await leasesOfInstance(db, player.instanceId)).map((held) => held.token)).toEqual([again.token]);
  });
});

describe('W12: what a prompt has seen comes from its own rows', () => {
  test('a message after the claim and before the read is seen; one after the read is not', async () => {
    const { sessionId, task } = await runningTurn(db, player);
    await post(db, player, sessionId);
    const { seen, messages } = await readPrompt(db, sessionId);
    expect(seen).toBe(5);
    expect(messages).toHaveLength(2);
    await post(db, player, sessionId);
    expect(await completeStep(db, reasonCommand(player, task, { seen }))).toMatchObject({ verdict: 'ok', branch: 'steered' });
  });

  test('an answer stands before the messages that came while it was written', async () => {
    const { sessionId, task } = await runningTurn(db, player);
    await post(db, player, sessionId);
    await post(db, player, sessionId);
    await completeStep(db, reasonCommand(player, task, { seen: 5 }));
    const { seen, messages } = await readPrompt(db, sessionId);
    expect(messages.map((message) => message.sequence)).toEqual([1, 5, 9, 6]);
    expect(messages.map((message) => message.role)).toEqual(['user', 'user', 'agent', 'user']);
    expect(seen).toBe(6);
  });

  test('a turn whose prompt had every message ends', async () => {
    const { sessionId, task } = await runningTurn(db, player);
    await post(db, player, sessionId);
    const { seen } = await readPrompt(db, sessionId);
    expect(await completeStep(db, reasonCommand(player, task, { seen }))).toMatchObject({ verdict: 'ok', branch: 'only' });
    expect((await logTypes(db, sessionId)).slice(-2)).toEqual(['turn.completed', 'session.idled']);
  });

  test('a message during a step that calls tools changes nothing: the next step reads it, behind what the model did meanwhile', async () => {
    const { sessionId, task } = await runningTurn(db, player);
    await post(db, player, sessionId);
    expect(await completeStep(db, reasonCommand(player, task, { seen: 1, calls: [call('a')] }))).toMatchObject({ branch: 'only' });
    await completeTool(db, player, await claimOne(db, player, 'tool'));
    const next = await claimOne(db, player, 'reason');
    expect((await readPrompt(db, sessionId)).messages.map((message) => message.role)).toEqual(['user', 'agent', 'tool_result', 'user']);
    expect(await completeReason(db, player, next)).toMatchObject({ branch: 'only' });
  });

  test('the note about a cancel is in the log and asks for no answer', async () => {
    const { sessionId } = await runningTurn(db, player);
    await underHead(db, { sessionId, orgId: null }, (held) => cancelHeld(held, player, 'Stopped by the user.'));
    const [head] = await sql<{ last_seq: number; last_input_seq: number }>(
      db,
      'select last_seq, last_input_seq from session_heads where session_id = $1',
      [sessionId],
    );
    expect(await logTypes(db, sessionId)).toContain('input.message');
    expect(head?.last_input_seq).toBe(1);
    await post(db, player, sessionId);
    const next = await claimOne(db, player, 'reason');
    const { seen, messages } = await readPrompt(db, sessionId);
    expect(messages.map((message) => message.content[0])).toMatchObject([
      { text: 'Hello' },
      { text: 'Stopped by the user.' },
      { text: 'Hello' },
    ]);
    expect(await completeStep(db, reasonCommand(player, next, { seen }))).toMatchObject({ branch: 'only' });
  });
});
