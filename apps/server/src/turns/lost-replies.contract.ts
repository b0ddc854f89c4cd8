import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { ToolOutcome, Uuid } from '@everruns/contract';
import { listDeadLetters } from '@everruns/storage';
import { openTransaction, untilBlocked } from '@everruns/storage/core/testing/locks';
import { answer, call, engineFixture, HandWorker, said, SCOPE } from './testing/fixture.ts';
import type { EngineFixture } from './testing/fixture.ts';

/** Every write takes effect once and gives its first answer, although the reply to its first attempt is lost. */
let fixture: EngineFixture;
let worker: HandWorker;
let sessionId: Uuid;
beforeAll(async () => {
  fixture = await engineFixture({ releaseAfterMs: 20 });
});
beforeEach(async () => {
  worker = new HandWorker(fixture.engine);
  await worker.take('welcome');
  sessionId = await fixture.session();
});
afterEach(() => worker.vanish());
afterAll(() => fixture.close());

const DONE: ToolOutcome = { kind: 'tool', status: 'success', result: 1, duration_ms: 1, events: [] };
/** With a seat or without, as it happens. */
const ACCEPT = ['accept_message', 'accept_message_seated'];
const KEY = '6f1f9d3e-6a7a-4d51-9b5e-0a8f5a1f8c1';
const { turns, faults } = { turns: () => fixture.engine.turns, faults: () => fixture.engine.faults };
const types = async (): Promise<string[]> => (await fixture.log(sessionId)).map((event) => event.type);
const count = async (type: string): Promise<number> => (await types()).filter((each) => each === type).length;

async function idle(): Promise<void> {
  for (;;) {
    const { task, input } = await worker.reason();
    await worker.complete(task, answer(input));
    if ((await types()).at(-1) === 'session.idled') return;
  }
}

async function waiting(): Promise<void> {
  await turns().postMessage(SCOPE, { sessionId, ...said('Ask me') });
  const { task, input } = await worker.reason();
  await worker.complete(task, answer(input, { text: '', calls: [call('q', { side: 'client' })] }));
}

describe('a message', () => {
  test('that starts a turn', async () => {
    faults().loseReply(ACCEPT);
    expect(await turns().postMessage(SCOPE, { sessionId, ...said('Hi') })).toMatchObject({ delivery: 'started', sequence: 1 });
    await idle();
    expect([await count('input.message'), await count('turn.started')]).toEqual([1, 1]);
  });

  test('that steers one', async () => {
    await turns().postMessage(SCOPE, { sessionId, ...said('Hi') });
    const first = await worker.reason();
    faults().loseReply(ACCEPT);
    expect(await turns().postMessage(SCOPE, { sessionId, ...said('More') })).toMatchObject({ delivery: 'steered' });
    await worker.complete(first.task, answer(first.input));
    await idle();
    expect([await count('input.message'), await count('turn.started')]).toEqual([2, 1]);
  });

  test('that starts a turn, while no worker has a seat', async () => {
    worker.vanish();
    await worker.ended;
    faults().loseReply(ACCEPT);
    expect(await turns().postMessage(SCOPE, { sessionId, ...said('Hi') })).toMatchObject({ delivery: 'started', sequence: 1 });
    worker = new HandWorker(fixture.engine);
    await idle();
    expect([await count('input.message'), await count('turn.started')]).toEqual([1, 1]);
  });

  test('that still waits for the head when its connection breaks: the repetition meets it', async () => {
    const text = 'select 1 from session_heads where session_id = $1 for update';
    const holder = await openTransaction(fixture.db, (tx) => tx.run({ name: 'test_lock', text }, [sessionId]));
    const broken = faults().breakDuring(ACCEPT);
    const posting = turns().postMessage(SCOPE, { sessionId, ...said('Hi') });
    await untilBlocked(fixture.db, 2);
    await holder.commit();
    await broken.ended;
    expect(await posting).toMatchObject({ delivery: 'started', sequence: 1 });
    await idle();
    expect([await count('input.message'), await count('turn.started')]).toEqual([1, 1]);
  });

  test('that ends a wait', async () => {
    await waiting();
    faults().loseReply('commit');
    expect(await turns().postMessage(SCOPE, { sessionId, ...said('Never mind') })).toMatchObject({ delivery: 'resumed' });
    await idle();
    expect([await count('input.message'), await count('turn.started')]).toEqual([2, 1]);
  });

  test('that ends a wait is stored once under its client id', async () => {
    await waiting();
    const post = { sessionId, ...said('Never mind'), clientMessageId: `${KEY}1` };
    const first = await turns().postMessage(SCOPE, post);
    expect(first.delivery).toBe('resumed');
    expect(await turns().postMessage(SCOPE, post)).toMatchObject({ id: first.id, sequence: first.sequence, delivery: 'duplicate' });
    await idle();
  });

  test('that comes again while the session waits for its client is a duplicate, and ends no wait', async () => {
    const post = { sessionId, ...said('Ask me'), clientMessageId: `${KEY}2` };
    const first = await turns().postMessage(SCOPE, post);
    const { task, input } = await worker.reason();
    await worker.complete(task, answer(input, { text: '', calls: [call('q', { side: 'client' })] }));
    expect(await turns().postMessage(SCOPE, post)).toMatchObject({ id: first.id, delivery: 'duplicate' });
    expect((await types()).at(-1)).toBe('tool.call_requested');
    await turns().cancel(SCOPE, sessionId);
  });

  test('whose preview would end in half a character', async () => {
    await turns().postMessage(SCOPE, { sessionId, ...said(`${'x'.repeat(1_999)}😀`) });
    await idle();
  });
});

test("a client's answers are accepted once, and counted in the answer", async () => {
  await waiting();
  faults().loseReply('commit');
  expect(await turns().submitToolResults(SCOPE, sessionId, [{ toolCallId: 'q', result: 1 }])).toEqual({ accepted: 1, status: 'active' });
  await idle();
  expect(await count('tool.completed')).toBe(1);
});

test('a cancelled turn is cancelled once, and its worker hears of it', async () => {
  await turns().postMessage(SCOPE, { sessionId, ...said('Long work') });
  const { task } = await worker.reason();
  faults().loseReply('commit');
  expect(await turns().cancel(SCOPE, sessionId)).toMatchObject({ status: 'cancelled' });
  await worker.take('cancel', (value: { token: string }) => value.token === task.token);
  expect(await count('turn.cancelled')).toBe(1);
});

test('a cancel that is repeated ends no other turn than the one it meant', async () => {
  await turns().postMessage(SCOPE, { sessionId, ...said('Hi') });
  const { task, input } = await worker.reason();
  faults().refuse('before commit');
  faults().hold('lock_head').release();
  const again = faults().hold('lock_head');
  const cancelling = turns().cancel(SCOPE, sessionId);
  await again.reached;
  expect(await worker.complete(task, answer(input))).toBe('ok');
  await turns().postMessage(SCOPE, { sessionId, ...said('Next') });
  again.release();
  expect(await cancelling).toMatchObject({ status: 'no_op' });
  await idle();
  expect([await count('turn.completed'), await count('turn.cancelled')]).toEqual([2, 0]);
});

test('a deleted session is gone, and its worker hears of it', async () => {
  await turns().postMessage(SCOPE, { sessionId, ...said('Long work') });
  const { task } = await worker.reason();
  faults().loseReply('commit');
  await turns().deleteSession(SCOPE, sessionId);
  await worker.take('cancel', (value: { token: string }) => value.token === task.token);
});

test('a claimed task is found again and given back', async () => {
  worker.vanish();
  await worker.ended;
  await turns().postMessage(SCOPE, { sessionId, ...said('Hi') });
  faults().loseReply('claim_tasks');
  worker = new HandWorker(fixture.engine);
  await idle();
});

test('a completed step is completed once, and its next task is not forgotten', async () => {
  await turns().postMessage(SCOPE, { sessionId, ...said('Tools') });
  const { task, input } = await worker.reason();
  await worker.complete(task, answer(input, { text: '', calls: [call('a')] }));
  const tool = await worker.tool('a');
  faults().loseReply('complete_step');
  expect(await worker.complete(tool.task, DONE)).toBe('ok');
  await idle();
  expect(await count('tool.completed')).toBe(1);
});

test('a dead letter is requeued once', async () => {
  await turns().postMessage(SCOPE, { sessionId, ...said('Break') });
  const { task } = await worker.reason();
  await worker.complete(task, { kind: 'failure', code: 'invalid_input', message: 'for good', retryable: false });
  const [letter] = (await listDeadLetters(fixture.db, { workflowId: null, pool: null, offset: 0, limit: 1 })).data;
  faults().loseReply('commit');
  const { taskId } = await fixture.engine.requeue(letter?.id as Uuid);
  const revived = await worker.reason();
  expect(revived.task.taskId).toBe(taskId);
  await worker.complete(revived.task, answer(revived.input));
  expect(await count('turn.started')).toBe(2);
});
