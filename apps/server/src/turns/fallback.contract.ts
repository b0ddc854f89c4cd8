import type { ReasonOutcome, ResolvedModel, StepError, Uuid } from '@everruns/contract';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { answer, engineFixture, HandWorker, said, SCOPE } from './testing/fixture.ts';
import type { EngineFixture } from './testing/fixture.ts';

/** Both circuits, of the model and of what stands in for it. */

const NAME = {
  provider_type: 'openai',
  model: 'first-choice',
  model_id: '01933b5a-0000-7000-8000-0000000000a1',
  provider_id: '01933b5a-0000-7000-8000-0000000000b1',
};
const PRIMARY: ResolvedModel = NAME;
const FALLBACK: ResolvedModel = {
  provider_type: 'llmsim',
  model: 'second-choice',
  model_id: '01933b5a-0000-7000-8000-0000000000a2',
  provider_id: '01933b5a-0000-7000-8000-0000000000b2',
  fallback_for: NAME,
};
const DOWN: StepError = { code: 'provider_unavailable', text: 'Down.', disclosure: 'standard', detail: 'Down.', provider_fault: true };
const failed = { success: false, text: '', error: DOWN } satisfies Partial<ReasonOutcome>;

let fixture: EngineFixture;
let worker: HandWorker;
let model: ResolvedModel;

beforeEach(async () => {
  model = { ...PRIMARY, fallback: FALLBACK };
  fixture = await engineFixture({ resolveModel: () => Promise.resolve(model) });
  worker = new HandWorker(fixture.engine);
});
afterEach(() => fixture.close());

async function post(controls = {}): Promise<Uuid> {
  const sessionId = await fixture.session();
  await fixture.engine.turns.postMessage(SCOPE, { sessionId, ...said('Hello'), controls });
  return sessionId;
}

async function fail(times: number): Promise<void> {
  for (let n = 0; n < times; n++) {
    await post();
    const { task, input } = await worker.reason();
    await worker.complete(task, answer(input, failed));
  }
}

const query = (name: string, text: string) => fixture.db.run({ name: `test_${name}`, text }, []);
const parked = () => query('parked', 'select breaker from timers where breaker is not null');

async function passOpenPeriod(): Promise<void> {
  await query('pass_breakers', `update circuit_breakers set opened_at = opened_at - interval '30 seconds'`);
}

describe('a model with a fallback', () => {
  test('is called while the circuit of its provider is closed, and the worker hears nothing of the other one', async () => {
    await post();
    const { input } = await worker.reason();
    expect(input.model).toEqual(PRIMARY);
  });

  test('gives way when the circuit is open: the step runs at once, and its events say for whom', async () => {
    await fail(5);
    const sessionId = await post();
    const { task, input } = await worker.reason();
    expect(input.model).toEqual(FALLBACK);
    expect(input.probe).toBeUndefined();
    const answered = { seen: input.seen, model: FALLBACK as ReasonOutcome['answered']['model'] };
    expect(await worker.complete(task, answer(input, { answered }))).toBe('ok');
    const log = await fixture.log(sessionId);
    const dataOf = (type: string) => log.find((event) => event.type === type)?.data;
    expect(dataOf('reason.completed')).toMatchObject({ success: true, fallback_for: NAME });
    expect(dataOf('llm.generation')).toMatchObject({ metadata: { fallback_for: NAME } });
    expect(dataOf('output.message.completed')).toMatchObject({ metadata: { model: 'second-choice', model_id: FALLBACK.model_id } });
    expect(log.at(-1)?.type).toBe('session.idled');
    expect(await parked()).toEqual([]);
  });

  test('is tried again by one probe after the pause; while that fails, its turn goes on with the fallback', async () => {
    await fail(5);
    await passOpenPeriod();
    const sessionId = await post();
    const probe = await worker.reason();
    expect(probe.input).toMatchObject({ model: PRIMARY, probe: true });
    expect(await worker.complete(probe.task, answer(probe.input, failed))).toBe('ok');
    await fixture.engine.beat();
    const { task, input } = await worker.reason();
    expect(input.model).toEqual(FALLBACK);
    await worker.complete(task, answer(input));
    const types = (await fixture.log(sessionId)).map((event) => event.type);
    expect(types.filter((type) => type.startsWith('turn.'))).toEqual(['turn.started', 'turn.completed']);
  });

  test('waits after all when the circuit of the fallback is open too', async () => {
    await fail(5);
    await fail(5);
    await post();
    await expect.poll(parked, { timeout: 10_000 }).toEqual([{ breaker: `llm:${PRIMARY.provider_id}` }]);
  });

  test('waits when it has none', async () => {
    model = PRIMARY;
    await fail(5);
    await post();
    await expect.poll(parked, { timeout: 10_000 }).toHaveLength(1);
  });
});

describe('the controls of a message', () => {
  const asked = { reasoning: { effort: 'high' }, speed: 'priority', verbosity: 'low' } as const;
  const profile = {
    name: 'Plain',
    family: 'plain',
    attachment: false,
    reasoning: false,
    structured_output: false,
    temperature: true,
    tool_call: true,
    open_weights: false,
    verbosity: { default: 'medium', values: ['low', 'medium'] },
  } satisfies ResolvedModel['profile'];

  test('reach the worker as far as the model has them', async () => {
    model = { ...PRIMARY, profile };
    await post(asked);
    const { input } = await worker.reason();
    expect(input.controls).toEqual({ verbosity: 'low' });
    expect(input.dropped_controls).toEqual(['reasoning.effort', 'speed']);
  });

  test('are measured by the model that answers', async () => {
    model = { ...PRIMARY, profile, fallback: FALLBACK };
    await fail(5);
    await post(asked);
    const { input } = await worker.reason();
    expect(input.model.model).toBe('second-choice');
    expect(input.controls).toEqual(asked);
    expect(input).not.toHaveProperty('dropped_controls');
  });
});
