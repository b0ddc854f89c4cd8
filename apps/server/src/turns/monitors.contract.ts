import { toPublicId } from '@everruns/contract';
import type { PlannedCall, ToolOutcome, Uuid } from '@everruns/contract';
import { createSchedule, listSchedules, listSessionTasks } from '@everruns/storage';
import type { SessionTaskRow } from '@everruns/storage';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { answer, engineFixture, HandWorker, SCOPE } from './testing/fixture.ts';
import type { EngineFixture, TestEngine } from './testing/fixture.ts';

/** Tool calls that a schedule makes: once for each of its times, whoever dies in between, and without a model. */

const CALL = { id: 'look', name: 'look', arguments: { at: 'it' }, side: 'server', effect: 'readonly' } as PlannedCall;
const eventually = { timeout: 10_000 };
let fixture: EngineFixture;
let engine: TestEngine;
let worker: HandWorker;
let sessionId: Uuid;
let made = 0;
beforeAll(async () => {
  fixture = await engineFixture();
  ({ engine } = fixture);
});
beforeEach(async () => {
  await fixture.db.run({ name: 'test_none', text: 'delete from session_schedules' });
  worker = new HandWorker(engine);
  await worker.take('welcome');
  sessionId = await fixture.session();
});
afterEach(() => worker.vanish());
afterAll(() => fixture.close());

const at = () => ({ ...SCOPE, sessionId });
const runs = (): Promise<SessionTaskRow[]> => listSessionTasks(fixture.db, { ...at(), state: null, kind: 'monitor' });
const states = async (): Promise<string[]> => (await runs()).map(({ state }) => state);
const messages = async (): Promise<string[]> =>
  (await fixture.log(sessionId)).flatMap(({ type, data }) => (type === 'input.message' ? [JSON.stringify(data)] : []));
const told = async (): Promise<number> => (await fixture.log(sessionId)).filter(({ type }) => type === 'schedule.triggered').length;

async function monitor({ wakes = true, times = 10 } = {}): Promise<Uuid> {
  const id: Uuid = `00000000-0000-8000-9000-${String(++made).padStart(12, '0')}`;
  const probe = { value: { call: CALL, title: 'Look', wakes }, runs: times };
  const schedule = { ...at(), id, message: 'Look', cron: '0 * * * *', timezone: 'UTC', nextAt: new Date(Date.now() + 3_600_000), probe };
  expect(await createSchedule(fixture.db, schedule, { lease: null, limits: { perSession: 100, perOrg: 1_000 } })).toBe('ok');
  return id;
}

/** One of its times has come. Each is another one. */
async function due(): Promise<void> {
  const text = `update session_schedules set next_at = engine_now() where next_at is not null`;
  await fixture.db.run({ name: 'test_due', text });
  await engine.beat();
}

/** What runs next finds this. */
async function finds(result: unknown): Promise<void> {
  const { task, input } = await worker.tool();
  expect(input.call).toMatchObject({ name: 'look', arguments: { at: 'it' } });
  const outcome: ToolOutcome = { kind: 'tool', status: 'success', result, duration_ms: 1, events: [] };
  expect(await worker.complete(task, outcome)).toBe('ok');
}

async function toldOf(text: string): Promise<void> {
  const { task, input } = await worker.reason();
  expect(JSON.stringify(input.messages.at(-1))).toContain(text);
  await worker.complete(task, answer(input));
}

test('asks no model; one is told of the first result, and of each that is another one', async () => {
  const id = await monitor();
  await due();
  await finds({ state: 'red', duration_ms: 5 });
  await toldOf('red');
  for (const took of [7, 9]) {
    await due();
    await finds({ state: 'red', duration_ms: took });
    await expect.poll(async () => (await states()).every((state) => state === 'succeeded'), eventually).toBe(true);
  }
  expect(await messages()).toHaveLength(1);
  await due();
  await finds({ state: 'green', duration_ms: 5 });
  await toldOf('green');
  expect(await runs()).toHaveLength(4);
  expect((await runs())[3]).toMatchObject({ spec: { tool: 'look', schedule_id: toPublicId('schedule', id) }, display_name: 'Look' });
});

test('tells nobody where nobody wants to be told', async () => {
  await monitor({ wakes: false });
  await due();
  await finds('anything');
  await expect.poll(states, eventually).toEqual(['succeeded']);
  await engine.beat();
  expect(await messages()).toEqual([]);
});

test('has no second run while one goes on, and ends after as many as it may have', async () => {
  await monitor({ wakes: false, times: 2 });
  await due();
  await expect.poll(told, eventually).toBe(1);
  await due();
  await expect.poll(told, eventually).toBe(2);
  expect(await states()).toEqual(['running']);
  await finds(1);
  await expect.poll(states, eventually).toEqual(['succeeded']);
  await due();
  await finds(2);
  await expect.poll(states, eventually).toEqual(['succeeded', 'succeeded']);
  await expect.poll(() => listSchedules(fixture.db, at()), eventually).toMatchObject([{ next_at: null, runs_left: 0, triggered: 3 }]);
});

test('makes its call once by three instances that look at the same time', async () => {
  await monitor({ wakes: false });
  const others = [await fixture.another(), await fixture.another()];
  await due();
  await Promise.all([engine, ...others].map((each) => each.beat()));
  await expect.poll(told, eventually).toBe(1);
  await finds(1);
  await expect.poll(states, eventually).toEqual(['succeeded']);
  expect(await listSchedules(fixture.db, at())).toMatchObject([{ runs_left: 9, triggered: 1 }]);
  for (const other of others) await other.stop();
});

test.each(['start_background', 'session_task_insert', 'schedule_advance'])(
  'makes its call once when its instance dies before %s, or after it without having heard',
  async (statement) => {
    await monitor({ wakes: false });
    engine.faults.refuse(statement, new Error('dead'));
    await due();
    engine.faults.loseReply(statement);
    await engine.beat();
    await engine.beat();
    await expect.poll(told, eventually).toBe(1);
    await finds(1);
    await expect.poll(states, eventually).toEqual(['succeeded']);
    expect(await listSchedules(fixture.db, at())).toMatchObject([{ runs_left: 9, triggered: 1 }]);
  },
);

test('goes on at another worker when its own is gone', async () => {
  await monitor({ wakes: false });
  await due();
  await worker.tool();
  worker.vanish();
  worker = new HandWorker(engine);
  await worker.take('welcome');
  await finds('still there');
  await expect.poll(states, eventually).toEqual(['succeeded']);
});

test('of a session that is gone comes never again', async () => {
  await monitor();
  await fixture.db.run({ name: 'test_due', text: `update session_schedules set next_at = engine_now() where next_at is not null` });
  await engine.turns.deleteSession(SCOPE, sessionId);
  await engine.beat();
  const left = () => fixture.db.run({ name: 'test_left', text: 'select 1 from session_schedules where next_at is not null' });
  await expect.poll(left, eventually).toEqual([]);
});
