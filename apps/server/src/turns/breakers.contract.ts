import type { ReasonOutcome, ResolvedModel, StepError, Uuid } from '@everruns/contract';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { answer, engineFixture, HandWorker, said, SCOPE } from './testing/fixture.ts';
import type { EngineFixture } from './testing/fixture.ts';

let fixture: EngineFixture;
let worker: HandWorker;

beforeEach(async () => {
  fixture = await engineFixture({ resolveModel: () => Promise.resolve(MODEL) });
  worker = new HandWorker(fixture.engine);
});
afterEach(() => fixture.close());

const MODEL: ResolvedModel = { provider_type: 'llmsim', model: 'test', provider_id: '01933b5a-0000-7000-8000-0000000000b4' };
const DOWN: StepError = { code: 'provider_unavailable', text: 'Down.', disclosure: 'standard', detail: 'Down.', provider_fault: true };
const failed = { success: false, text: '', error: DOWN } satisfies Partial<ReasonOutcome>;

async function post(): Promise<Uuid> {
  const sessionId = await fixture.session();
  await fixture.engine.turns.postMessage(SCOPE, { sessionId, ...said('Hello') });
  return sessionId;
}

async function openCircuit(): Promise<void> {
  for (let n = 0; n < 5; n++) {
    await post();
    const { task, input } = await worker.reason();
    expect(input.probe).toBeUndefined();
    await worker.complete(task, answer(input, failed));
  }
  expect(await state()).toBe('open');
}

const query = (name: string, text: string) => fixture.db.run({ name: `test_${name}`, text }, []);

async function state(): Promise<unknown> {
  const [row] = await fixture.db.run({ name: 'test_state', text: 'select state from circuit_breakers where key = $1' }, [
    `llm:${MODEL.provider_id}`,
  ]);
  return row?.['state'];
}

async function untilParked(count: number): Promise<void> {
  await expect.poll(() => query('parked', 'select 1 from timers where breaker is not null'), { timeout: 10_000 }).toHaveLength(count);
}

async function passOpenPeriod(): Promise<void> {
  await query('pass_breakers', `update circuit_breakers set opened_at = opened_at - interval '30 seconds'`);
  await query('pass_timers', `update timers set due_at = due_at - interval '30 seconds' where breaker is not null`);
}

const typesOf = async (sessionId: Uuid) => (await fixture.log(sessionId)).map((event) => event.type);

describe('the failure of a call', () => {
  test('counts once when its completion is said again, to another instance', async () => {
    const other = await fixture.another();
    await post();
    const { task, input } = await worker.reason();
    const held = fixture.engine.faults.hold('complete_plain_step');
    const outcome = Buffer.from(JSON.stringify(answer(input, failed)));
    worker.send({ $case: 'complete', value: { taskId: task.taskId, token: task.token, outcome, acceptsNext: false } });
    await held.reached;
    const again = new HandWorker(other, { workerId: worker.workerId, bootId: worker.bootId, held: [task] });
    await again.take('welcome');
    expect(await again.complete(task, answer(input, failed))).toBe('ok');
    held.release();
    const [row] = await query('failures', 'select cardinality(failures) as failures from circuit_breakers');
    expect(row).toEqual({ failures: 1 });
    again.vanish();
  });
});

describe('an open circuit', () => {
  test('is known to the other instances at once, before their next beat', async () => {
    const other = await fixture.another();
    for (let n = 0; n < 20; n++) other.faults.refuse('instance_beat');
    await openCircuit();
    worker.vanish();
    const elsewhere = new HandWorker(other);
    await elsewhere.take('welcome');
    await post();
    await untilParked(1);
    elsewhere.vanish();
  });

  test('lets one call through after its pause, a second one when that succeeded, and then everybody', async () => {
    await openCircuit();
    const sessions = [await post(), await post(), await post()];
    await untilParked(3);
    await passOpenPeriod();
    for (const expected of ['half_open', 'closed']) {
      const { task, input } = await worker.reason();
      expect(input.probe).toBe(true);
      expect(await worker.complete(task, answer(input))).toBe('ok');
      expect(await state()).toBe(expected);
    }
    const last = await worker.reason();
    expect(last.input.probe).toBeUndefined();
    await worker.complete(last.task, answer(last.input));
    for (const sessionId of sessions) expect(await typesOf(sessionId)).toContain('turn.completed');
  });

  test('opens again when its probe fails, and the turn of the probe waits on', async () => {
    await openCircuit();
    const sessionId = await post();
    await untilParked(1);
    for (let round = 0; round < 2; round++) {
      await passOpenPeriod();
      const { task, input } = await worker.reason();
      expect(await worker.complete(task, answer(input, failed))).toBe('ok');
      expect(await state()).toBe('open');
      await untilParked(1);
    }
    await passOpenPeriod();
    const { task, input } = await worker.reason();
    await worker.complete(task, answer(input));
    const types = await typesOf(sessionId);
    expect(types.filter((type) => type.startsWith('turn.'))).toEqual(['turn.started', 'turn.completed']);
  });

  test('ends the turn of a probe that broke off in mid-answer: people have seen what it said', async () => {
    await openCircuit();
    const sessionId = await post();
    await untilParked(1);
    await passOpenPeriod();
    const { task, input } = await worker.reason();
    await worker.complete(task, answer(input, { ...failed, text: 'Half an ans' }));
    expect(await state()).toBe('open');
    expect(await typesOf(sessionId)).toContain('turn.failed');
  });
});
