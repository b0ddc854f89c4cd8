import { NON_RETRYABLE_CODES } from '@everruns/engine';
import type { PlannedCall, ToolOutcome, Uuid } from '@everruns/contract';
import type { Task } from '@everruns/contract/generated/worker';
import { listDeadLetters } from '@everruns/storage';
import type { DeadLetter } from '@everruns/storage';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { answer, call, engineFixture, HandWorker, said, SCOPE } from './testing/fixture.ts';
import type { EngineFixture } from './testing/fixture.ts';

/** The numbers of the engine: retries, time-outs, dead letters and shares, each on a real database. */

let fixture: EngineFixture;
const workers: HandWorker[] = [];

beforeEach(async () => {
  fixture = await engineFixture();
});
afterEach(async () => {
  for (const worker of workers.splice(0)) worker.vanish();
  await fixture.close();
});

const DONE: ToolOutcome = { kind: 'tool', status: 'success', result: 1, duration_ms: 1, events: [] };
const FOR_GOOD = { kind: 'failure', code: 'bug', message: 'oops', retryable: false } as const;
const OOPS = { ...FOR_GOOD, retryable: true } as const;

async function attached(): Promise<HandWorker> {
  const worker = new HandWorker(fixture.engine);
  workers.push(worker);
  await worker.take('welcome');
  return worker;
}

async function post(): Promise<Uuid> {
  const sessionId = await fixture.session();
  await fixture.engine.turns.postMessage(SCOPE, { sessionId, ...said('Hi') });
  return sessionId;
}

const query = <R extends Record<string, unknown>>(name: string, text: string, values: unknown[] = []) =>
  fixture.db.run<R>({ name: `test_${name}`, text }, values);
const types = async (sessionId: Uuid) => (await fixture.log(sessionId)).map((event) => event.type);
const results = async (sessionId: Uuid) =>
  (await fixture.log(sessionId)).flatMap((event) => (event.type === 'tool.completed' ? [event.data] : []));
const letters = async (): Promise<DeadLetter[]> =>
  (await listDeadLetters(fixture.db, { workflowId: null, pool: null, offset: 0, limit: 10 })).data;
const limit = (option: string, ms: number) =>
  query('limit', `update ready set payload = jsonb_set(payload, array['options', $1::text], to_jsonb($2::int))`, [option, ms]);

async function remainingMs(table: string, column: string): Promise<number[]> {
  const text = `select (extract(epoch from ${column} - engine_now()) * 1000)::float as ms from ${table}`;
  return (await query<{ ms: number }>(`remaining_${table}`, text)).map((row) => row.ms);
}

const nowMs = async () =>
  (await query<{ ms: number }>('now', 'select (extract(epoch from engine_now()) * 1000)::float as ms'))[0]?.ms as number;

/** Until when each task is put off, in milliseconds of the database's clock. */
async function dueMs(): Promise<number[]> {
  return (await query<{ ms: number }>('due', 'select (extract(epoch from due_at) * 1000)::float as ms from timers')).map((row) => row.ms);
}

/** Lets everything that was put off come now. */
async function passDelay(): Promise<void> {
  await query('pass', 'update timers set due_at = engine_now()');
  await fixture.engine.beat();
}

async function acting(worker: HandWorker, calls: PlannedCall[]): Promise<Uuid> {
  const sessionId = await post();
  const { task, input } = await worker.reason();
  await worker.complete(task, answer(input, { text: '', calls }));
  return sessionId;
}

/** The turn goes on after its calls and ends. */
async function goesOn(worker: HandWorker, sessionId: Uuid): Promise<string> {
  const { task, input } = await worker.reason();
  expect(await worker.complete(task, answer(input))).toBe('ok');
  expect((await types(sessionId)).slice(-2)).toEqual(['turn.completed', 'session.idled']);
  return JSON.stringify(input.messages);
}

describe('a step that breaks', () => {
  test('is tried again after 1, 2, 4 and 8 s, and is dead after its fifth failure', async () => {
    const worker = await attached();
    const sessionId = await post();
    for (const [failed, delayMs] of [1_000, 2_000, 4_000, 8_000].entries()) {
      const { task, input } = await worker.reason();
      expect(input.attempt).toBe(failed + 1);
      const moving = fixture.engine.faults.hold('move_due_tasks');
      const beforeMs = await nowMs();
      await worker.complete(task, OOPS);
      const [due, ...others] = await dueMs();
      expect(due).toBeGreaterThanOrEqual(beforeMs + delayMs * 0.9 - 1);
      expect(due).toBeLessThanOrEqual((await nowMs()) + delayMs * 1.1 + 1);
      expect(others).toEqual([]);
      moving.release();
      await passDelay();
    }
    await worker.complete((await worker.reason()).task, OOPS);
    expect((await types(sessionId)).slice(-2)).toEqual(['turn.failed', 'session.idled']);
    const [letter] = await letters();
    expect(letter?.attempts).toBe(5);
    expect(letter?.errors.map((error) => [error.code, error.attempt])).toEqual([1, 2, 3, 4, 5].map((n) => ['bug', n]));
  });

  test('is dead after as many failures as its task allows', async () => {
    await post();
    await limit('maxAttempts', 2);
    const worker = await attached();
    await worker.complete((await worker.reason()).task, OOPS);
    await passDelay();
    await worker.complete((await worker.reason()).task, OOPS);
    expect((await letters()).map((letter) => letter.attempts)).toEqual([2]);
  });

  test.each([...NON_RETRYABLE_CODES, 'bug'])('is dead at once of %s', async (code) => {
    const worker = await attached();
    const sessionId = await post();
    const retryable = code !== 'bug'; // says its worker, which does not know better
    await worker.complete((await worker.reason()).task, { kind: 'failure', code, message: 'for good', retryable });
    expect((await types(sessionId)).slice(-2)).toEqual(['turn.failed', 'session.idled']);
    expect((await letters()).map((letter) => [letter.attempts, letter.errors[0]?.code])).toEqual([[1, code]]);
  });

  test('as a call of a tool is answered as an error when it is dead, and the turn goes on', async () => {
    const worker = await attached();
    const sessionId = await acting(worker, [call('a')]);
    await worker.complete((await worker.tool('a')).task, FOR_GOOD);
    expect(await goesOn(worker, sessionId)).toContain('The tool could not be run: oops');
    expect(await results(sessionId)).toMatchObject([{ status: 'error' }]);
    expect(await letters()).toEqual([]);
  });

  test('as a call that is unsafe to repeat is not tried again, whatever its worker says', async () => {
    const worker = await attached();
    const sessionId = await acting(worker, [call('pay', { effect: 'unsafe' })]);
    await worker.complete((await worker.tool('pay')).task, OOPS);
    expect(await goesOn(worker, sessionId)).toContain('may or may not have taken effect');
    expect((await types(sessionId)).filter((type) => type === 'tool.started')).toHaveLength(1);
  });
});

describe('start to close', () => {
  const pass = () => query('overdue', `update leases set deadline = engine_now() - interval '1 millisecond'`);

  test.each([
    ['an hour for a step', null, 3_600_000],
    ['five minutes for a call', call('a'), 300_000],
    ['what its tool says for a call', call('a', { start_to_close_ms: 7_000 }), 7_000],
  ])('is %s', async (_what, planned, ms) => {
    const worker = await attached();
    if (planned === null) await post().then(() => worker.reason());
    else await acting(worker, [planned]).then(() => worker.tool());
    const [left] = await remainingMs('leases', 'deadline');
    expect(left).toBeGreaterThan(ms - 5_000);
    expect(left).toBeLessThanOrEqual(ms);
  });

  test('a step that is over it is taken from its worker and tried again after the first delay', async () => {
    const worker = await attached();
    await post();
    const { task } = await worker.reason();
    const beforeMs = await nowMs();
    await pass();
    await fixture.engine.beat();
    expect(await worker.take('cancel')).toEqual({ token: task.token, reason: 'start_to_close' });
    for (const due of await dueMs()) expect(due).toBeGreaterThanOrEqual(beforeMs + 899);
    await passDelay();
    expect((await worker.reason()).input.attempt).toBe(2);
  });

  test.each([
    ['readonly', false],
    ['unsafe', true],
  ] as const)('a %s call that is over it is answered as timed out, and not run again', async (effect, unsure) => {
    const worker = await attached();
    const sessionId = await acting(worker, [call('a', { effect })]);
    const { task } = await worker.tool('a');
    await pass();
    await fixture.engine.beat();
    expect((await worker.take('cancel')).token).toBe(task.token);
    expect(await worker.complete(task, DONE)).toBe('lost');
    expect((await goesOn(worker, sessionId)).includes('may or may not')).toBe(unsure);
    expect(await results(sessionId)).toMatchObject([{ status: 'timeout' }]);
    expect((await types(sessionId)).filter((type) => type === 'tool.started')).toHaveLength(1);
  });
});

describe('heartbeats', () => {
  const reasoning = async (heartbeatMs: number): Promise<{ worker: HandWorker; task: Task }> => {
    await post();
    await limit('heartbeatMs', heartbeatMs);
    const worker = await attached();
    const { task } = await worker.reason();
    return { worker, task };
  };

  test('a task that owes one is taken from its worker and counts as a failed attempt', async () => {
    const { worker, task } = await reasoning(100);
    expect(await worker.take('cancel')).toEqual({ token: task.token, reason: 'heartbeat' });
    await passDelay();
    expect((await worker.reason()).input.attempt).toBe(2);
    expect(await query('failures', `select failures, payload#>'{errors,0,code}' as code from leases`)).toEqual([
      { failures: 1, code: 'heartbeat' },
    ]);
  });

  test('a task that sends them keeps its lease', async () => {
    const { worker, task } = await reasoning(1_100);
    const sending = setInterval(() => worker.send({ $case: 'heartbeat', value: { token: task.token } as never }), 50);
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    clearInterval(sending);
    expect(await query('leased', 'select token from leases')).toEqual([{ token: task.token }]);
  });
});

describe('schedule to start', () => {
  test('a step that nobody has taken in time ends its turn, and can be run again', async () => {
    const sessionId = await post();
    await query('start_by', `update ready set start_by = engine_now() - interval '1 millisecond'`);
    await fixture.engine.beat();
    expect((await types(sessionId)).slice(-2)).toEqual(['turn.failed', 'session.idled']);
    expect((await letters()).map((letter) => letter.errors[0]?.code)).toEqual(['schedule_to_start']);
  });

  test('a call that nobody has taken in time is answered as an error, and the turn goes on', async () => {
    const worker = new HandWorker(fixture.engine, { tool: 0 });
    workers.push(worker);
    await worker.take('welcome');
    const sessionId = await acting(worker, [call('a')]);
    await query('start_by', `update ready set start_by = engine_now() - interval '1 millisecond'`);
    await fixture.engine.beat();
    expect(await goesOn(worker, sessionId)).toContain('No worker started the step');
    expect(await types(sessionId)).not.toContain('tool.started');
  });
});

test('the deadline of an earlier step ends nothing, and goes', async () => {
  const worker = await attached();
  const sessionId = await acting(worker, [call('q', { side: 'client' })]);
  await query('stale', `update timers set due_at = engine_now(), payload = jsonb_build_object('step', 7)`);
  await fixture.engine.beat();
  expect((await types(sessionId)).at(-1)).toBe('tool.call_requested');
  expect(await dueMs()).toEqual([]);
});

test('a dead letter is revived exactly once, by whichever instance is asked first', async () => {
  const other = await fixture.another();
  const worker = await attached();
  const sessionId = await post();
  await worker.complete((await worker.reason()).task, FOR_GOOD);
  const id = (await letters())[0]?.id as Uuid;
  const asked = [fixture.engine, other, fixture.engine, other].map((engine) => engine.requeue(id));
  const answers = await Promise.allSettled(asked);
  expect(answers.map((each) => each.status).toSorted()).toEqual(['fulfilled', 'rejected', 'rejected', 'rejected']);
  for (const each of answers) if (each.status === 'rejected') expect(each.reason).toMatchObject({ code: 'wrong_state' });
  const { task, input } = await worker.reason();
  await worker.complete(task, answer(input));
  await expect(other.requeue(id)).rejects.toMatchObject({ code: 'wrong_state' });
  expect((await types(sessionId)).filter((type) => type.startsWith('turn.'))).toEqual([
    'turn.started',
    'turn.failed',
    'turn.started',
    'turn.completed',
  ]);
});

test('a dead letter is not revived while its session runs another turn', async () => {
  const worker = await attached();
  const sessionId = await post();
  await worker.complete((await worker.reason()).task, FOR_GOOD);
  const id = (await letters())[0]?.id as Uuid;
  await fixture.engine.turns.postMessage(SCOPE, { sessionId, ...said('Again') });
  await expect(fixture.engine.requeue(id)).rejects.toMatchObject({ code: 'wrong_state' });
  const { task, input } = await worker.reason();
  await worker.complete(task, answer(input));
  await fixture.engine.requeue(id);
  expect((await worker.reason()).input.iteration).toBe(1);
});

test('R12: an organization with 1,000 tasks delays one with a single task by less than one task per worker seat', async () => {
  const SEATS = 8;
  const [large, small] = ['0bbbbbbb-0000-7000-8000-000000000001', '0bbbbbbb-0000-7000-8000-000000000002'];
  for (const id of [large, small]) await query('org', `insert into organizations (id, name) values ($1, 'test')`, [id]);
  const crowded = await fixture.session({ orgId: large });
  await fixture.engine.turns.postMessage({ orgId: large }, { sessionId: crowded, ...said('Hi') });
  await query(
    'crowd',
    `insert into ready (id, org_id, session_id, workflow_id, pool, priority, step, payload)
       select uuidv7(), org_id, session_id, workflow_id, pool, priority, step, payload from ready, generate_series(2, 1000)`,
  );
  const worker = await attached();
  const held: Task[] = [];
  while (held.length < SEATS) held.push((await worker.reason()).task);
  const sessionId = await fixture.session({ orgId: small });
  await fixture.engine.turns.postMessage({ orgId: small }, { sessionId, ...said('Hi') });
  let before = 0;
  for (;;) {
    await worker.complete(held.shift() as Task, OOPS);
    const { task } = await worker.reason();
    if (task.sessionId === sessionId) break;
    held.push(task);
    before += 1;
  }
  expect(before).toBeLessThan(SEATS);
});
