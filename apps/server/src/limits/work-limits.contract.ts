import type { ToolOutcome, Uuid } from '@everruns/contract';
import { createIdSource, DEFAULT_ORG_ID } from '@everruns/contract';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createScheduleService, SCHEDULE_LIMITS } from '../services/schedules.ts';
import { answer, call, engineFixture, HandWorker, said, SCOPE } from '../turns/testing/fixture.ts';
import type { EngineFixture } from '../turns/testing/fixture.ts';
import { LimiterUnavailable } from './limiter.ts';
import type { Limiter } from './limiter.ts';
import { createMemoryLimiter } from './memory-limiter.ts';
import { scheduleRate, toolCallRate } from './work-limits.ts';

/** How often agents may do something in a minute: three tool calls here, and two schedules. */
const RATES = { toolCallsPerMinute: 3, schedulesPerMinute: 2 };
const ids = createIdSource();
const limiter = createMemoryLimiter({ nowMs: () => performance.now() });
let fixture: EngineFixture;
let worker: HandWorker;

beforeAll(async () => {
  const admitToolCall = toolCallRate(limiter, RATES);
  fixture = await engineFixture(admitToolCall === undefined ? {} : { admitToolCall });
  worker = new HandWorker(fixture.engine);
  await worker.take('welcome');
});
afterAll(async () => {
  worker.vanish();
  await fixture.close();
});

const done: ToolOutcome = { kind: 'tool', status: 'success', result: { ok: true }, duration_ms: 1, events: [] };

test('tool calls above the limit of their organization are not made: the model is told, and the turn goes on to its end', async () => {
  const sessionId = await fixture.session();
  await fixture.engine.turns.postMessage(SCOPE, { sessionId, ...said('Hi') });
  const first = await worker.reason();
  const calls = ['a', 'b', 'c', 'd', 'e'].map((id) => call(id));
  await worker.complete(first.task, answer(first.input, { text: '', calls }));
  const made: string[] = [];
  for (let n = 0; n < RATES.toolCallsPerMinute; n++) {
    const { task, input } = await worker.tool();
    made.push(input.call.id);
    await worker.complete(task, done);
  }
  const second = await worker.reason();
  const results = second.input.messages.flatMap((message) => message.content).filter((part) => part.type === 'tool_result');
  expect(results).toHaveLength(5);
  const refused = results.filter((part) => part.error !== undefined);
  expect(refused).toHaveLength(2);
  for (const { error } of refused) expect(error).toMatch(/3 tool calls of a minute.*not made/);
  expect(made.every((id) => results.some((part) => part.tool_call_id === id && part.error === undefined))).toBe(true);
  await worker.complete(second.task, answer(second.input));
  const types = fixture.announced(sessionId);
  expect([types.filter((type) => type === 'tool.completed').length, types.at(-1)]).toEqual([5, 'session.idled']);
});

test('a turn whose calls are all refused ends as well', async () => {
  const sessionId = await fixture.session();
  await fixture.engine.turns.postMessage(SCOPE, { sessionId, ...said('Hi') });
  const first = await worker.reason();
  await worker.complete(first.task, answer(first.input, { text: '', calls: [call('f')] }));
  const second = await worker.reason();
  await worker.complete(second.task, answer(second.input));
  expect(fixture.announced(sessionId).at(-1)).toBe('session.idled');
});

test('schedules are limited for the user whose session it is, whoever asks for them', async () => {
  const sessionId = await fixture.session();
  const admit = scheduleRate(limiter, RATES);
  const schedules = createScheduleService({ db: fixture.db, limits: SCHEDULE_LIMITS, now: () => new Date(), admit });
  const create = (key: string, at: Uuid = sessionId) =>
    schedules.create(
      { orgId: DEFAULT_ORG_ID, sessionId: at },
      { message: 'x', scheduled_at: '2100-01-01T00:00:00Z' },
      { key, lease: null as never },
    );
  await create('one');
  await create('two');
  // Asked for again, it is the one that was made.
  await create('two');
  await expect(create('three', await fixture.session())).rejects.toMatchObject({ code: 'rate_limited', status: 429 });
  await expect(admit?.(ids.next())).resolves.toBeUndefined();
});

test('0 is no limit, and when nobody can count nothing is refused', async () => {
  expect(toolCallRate(limiter, { ...RATES, toolCallsPerMinute: 0 })).toBeUndefined();
  expect(scheduleRate(limiter, { ...RATES, schedulesPerMinute: 0 })).toBeUndefined();
  const away: Limiter = { ...limiter, take: () => Promise.reject(new LimiterUnavailable('away')) };
  for (let n = 0; n < 5; n++) {
    expect(await toolCallRate(away, RATES)?.(DEFAULT_ORG_ID)).toBeNull();
    await scheduleRate(away, RATES)?.(DEFAULT_ORG_ID);
  }
});
