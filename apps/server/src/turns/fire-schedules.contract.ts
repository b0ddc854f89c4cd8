import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Uuid } from '@everruns/contract';
import { createSchedule, listSchedules } from '@everruns/storage';
import type { NewSchedule } from '@everruns/storage';
import { answer, engineFixture, HandWorker, said, SCOPE } from './testing/fixture.ts';
import type { EngineFixture, TestEngine } from './testing/fixture.ts';

/** What is due is fired once for each of its times, whoever dies in between and however many instances look. */

let fixture: EngineFixture;
let engine: TestEngine;
let worker: HandWorker;
let sessionId: Uuid;
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

const types = async (): Promise<string[]> => (await fixture.log(sessionId)).map((event) => event.type);
/** By this beat or the next one: the work of a beat may still be that of the one before. */
const eventually = { timeout: 10_000 };
const fired = (times = 1) =>
  expect.poll(async () => [await count('schedule.triggered'), (await schedules())[0]?.triggered], eventually).toEqual([times, times]);
const count = async (type: string): Promise<number> => (await types()).filter((each) => each === type).length;
const schedules = () => listSchedules(fixture.db, { ...SCOPE, sessionId });

let made = 0;

async function schedule(parts: Partial<NewSchedule> = {}): Promise<void> {
  const id = `00000000-0000-8000-8000-${String(++made).padStart(12, '0')}`;
  const once = { ...SCOPE, sessionId, id, message: 'Wake up', cron: null, timezone: 'UTC', nextAt: new Date(Date.now() + 3_600_000) };
  const limits = { perSession: 100, perOrg: 1_000 };
  expect(await createSchedule(fixture.db, { ...once, ...parts }, { lease: null, limits })).toBe('ok');
}

/** The database's clock goes on by hours: everything below is due. */
async function makeDue(): Promise<void> {
  await fixture.db.run({
    name: 'test_due',
    text: `update session_schedules set next_at = engine_now() - interval '2 hours' where next_at is not null`,
  });
}

async function finishTurn(): Promise<void> {
  const { task, input } = await worker.reason();
  await worker.complete(task, answer(input));
}

describe('a schedule that is due', () => {
  test('starts a turn with its message, and is told of', async () => {
    await schedule();
    await makeDue();
    await engine.beat();
    const { task, input } = await worker.reason();
    expect(input.messages.at(-1)?.content).toEqual(said('Wake up').content);
    await worker.complete(task, answer(input));
    await fired();
    const log = await fixture.log(sessionId);
    expect(log.filter((event) => event.type === 'schedule.triggered').map((event) => event.data)).toMatchObject([{ prompt: 'Wake up' }]);
    expect(log.find((event) => event.type === 'input.message')?.data).toMatchObject({ message: { metadata: { source: 'schedule' } } });
    await fired();
    expect(await schedules()).toMatchObject([{ triggered: 1, next_at: null }]);
    await engine.beat();
    expect(await count('input.message')).toBe(1);
  });

  test('by an expression comes once for what was missed, and has its next time after now', async () => {
    await schedule({ cron: '0 * * * *' });
    await makeDue();
    await engine.beat();
    await finishTurn();
    await fired();
    const [row] = await schedules();
    expect(row?.next_at?.getTime()).toBeGreaterThan(Date.now());
    await engine.beat();
    expect([await count('input.message'), row?.triggered]).toEqual([1, 1]);
  });

  test('steers the turn that runs', async () => {
    await engine.turns.postMessage(SCOPE, { sessionId, ...said('Work') });
    const first = await worker.reason();
    await schedule();
    await makeDue();
    await engine.beat();
    expect(await worker.complete(first.task, answer(first.input))).toBe('ok');
    await finishTurn();
    expect([await count('turn.started'), await count('input.message')]).toEqual([1, 2]);
  });

  test('is fired once by three instances that look at the same time', async () => {
    const others = [await fixture.another(), await fixture.another()];
    await schedule();
    await makeDue();
    await Promise.all([engine, ...others].map((each) => each.beat()));
    await fired();
    await Promise.all([engine, ...others].map((each) => each.beat()));
    expect([await count('input.message'), await count('schedule.triggered'), (await schedules())[0]?.triggered]).toEqual([1, 1, 1]);
    for (const other of others) await other.stop();
  });

  test.each([
    ['before its message is stored', 'accept_message'],
    ['between its message and its next time', 'schedule_advance'],
  ])('is fired once when its instance dies %s', async (_name, statement) => {
    await schedule();
    await makeDue();
    engine.faults.refuse(statement, new Error('dead'));
    engine.faults.refuse('accept_message_seated', new Error('dead'));
    await engine.beat();
    await engine.beat();
    await engine.beat();
    await fired();
    expect(await count('input.message')).toBe(1);
  });

  test('whose reply was lost is told of once', async () => {
    await schedule();
    await makeDue();
    engine.faults.loseReply('schedule_advance');
    await engine.beat();
    await fired();
    await engine.beat();
    await fired();
  });

  test('of a session that is gone comes never again', async () => {
    await schedule();
    await makeDue();
    await engine.turns.deleteSession(SCOPE, sessionId);
    await engine.beat();
    const left = () => fixture.db.run({ name: 'test_left', text: 'select 1 from session_schedules where next_at is not null' });
    await expect.poll(left, eventually).toEqual([]);
  });

  test('and cannot be delivered does not keep the others', async () => {
    await schedule();
    const broken = sessionId;
    sessionId = await fixture.session();
    await schedule();
    await makeDue();
    engine.faults.refuse('accept_message_seated', new Error('refused'));
    await engine.beat();
    await engine.beat();
    const triggered = async (id: Uuid) => (await fixture.log(id)).filter(({ type }) => type === 'schedule.triggered').length;
    await expect.poll(() => Promise.all([broken, sessionId].map(triggered)), eventually).toEqual([1, 1]);
  });
});

test('one that is switched off does not come', async () => {
  await schedule();
  await makeDue();
  await fixture.db.run({ name: 'test_off', text: 'update session_schedules set enabled = false' });
  await engine.beat();
  expect(await types()).toEqual([]);
});
