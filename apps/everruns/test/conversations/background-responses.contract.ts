import { startBackgroundSimulator, type BackgroundSimulator } from '@everruns/providers/testing/background-simulator';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from './api-client.ts';
import { compose, type Composition } from './composition.ts';
import { expectEvents, payload } from './conversation.ts';
import { KEY } from './setting.ts';
import type { Fate, LinkHooks, ServerKind, WorkerKind } from './killable-link.ts';

/**
 * A worker dies at each point of a background response's life; another one takes over. The provider is asked for one response, and the
 * conversation shows one answer.
 */

interface Point {
  name: string;
  /** What the first worker's link does with the message at which it dies. */
  hooks(die: () => Fate): LinkHooks;
  /** Held: the response makes no progress until the second worker is there. */
  holds?: boolean;
  /** The take-over is a new attempt of the step. */
  recovers: boolean;
}

const sends = ($case: WorkerKind['$case'], fate: Fate) => ({
  hooks: (die: () => Fate): LinkHooks => ({ toServer: (message) => (message.$case === $case && die() === 'lose' ? fate : 'deliver') }),
});
const hears = ($case: ServerKind['$case'], fate: Fate) => ({
  hooks: (die: () => Fate): LinkHooks => ({ toWorker: (message) => (message.$case === $case && die() === 'lose' ? fate : 'deliver') }),
});

const POINTS: readonly Point[] = [
  { name: 'before it hears of the task', ...hears('assign', 'lose'), recovers: true },
  { name: 'as soon as it has the task', ...hears('assign', 'deliver_and_lose'), recovers: true },
  { name: 'when the response exists and its id is not stored', ...sends('checkpoint', 'lose'), recovers: true },
  { name: 'when the id is stored, before it hears so', ...sends('checkpoint', 'deliver_and_lose'), recovers: true },
  { name: 'when it knows that the id is stored', ...hears('checkpointed', 'deliver_and_lose'), holds: true, recovers: true },
  { name: 'before the message has begun', ...sends('append', 'lose'), recovers: true },
  { name: 'when the message has begun', ...sends('append', 'deliver_and_lose'), recovers: true },
  { name: 'before its first words arrive', ...sends('delta', 'lose'), recovers: true },
  { name: 'after its first words', ...sends('delta', 'deliver_and_lose'), recovers: true },
  { name: 'before the outcome is said', ...sends('complete', 'lose'), recovers: true },
  { name: 'when the outcome is said, before it hears so', ...sends('complete', 'deliver_and_lose'), recovers: false },
];

const ANSWER = 'The whole answer, word by word.';

let composition: Composition;
beforeAll(async () => {
  composition = await compose({ workers: 0 });
});
afterEach(() => composition.stopWorkers());
afterAll(() => composition.close());

describe('a worker that dies', () => {
  it.each(POINTS)('$name: one response is created, and one answer stands in the log', async (point) => {
    await using simulator = await startBackgroundSimulator({ stepMs: 15 });
    simulator.script({ text: ANSWER, usage: { inputTokens: 50, outputTokens: 8 } });
    const died = await doomedWorker(point, simulator);
    const chat = await composition.api.converse({ harness_name: 'base', model_id: await backgroundModel(simulator) });
    const { body } = await chat.post('Take your time.');
    await eventually(died, 'the worker to die');
    await composition.addWorker();
    simulator.release();
    const turn = await chat.turnFrom(Number(body['sequence']));

    expect(simulator.creations).toBe(1);
    expect(simulator.cancellations).toEqual([]);
    expectEvents(
      turn.filter(({ type }) => type !== 'output.message.started'),
      [
        'input.message',
        'turn.started',
        'session.activated',
        ['reason.started', { attempt: 1 }],
        ...(point.recovers ? ([['reason.recovered', { mode: 'restart', attempt: 2 }]] as const) : []),
        ['llm.generation', { metadata: { success: true, response_id: 'resp_bg_0' } }],
        ['reason.completed', { success: true, usage: { input_tokens: 50, output_tokens: 8 } }],
        'output.message.completed',
        ['turn.completed', { iterations: 1, llm_call_count: 1, usage: { input_tokens: 50, output_tokens: 8 } }],
        'session.idled',
      ],
    );
    expect(chat.answers).toEqual([ANSWER]);
    expect(payload(turn, 'turn.completed')).toMatchObject({ usage: { input_tokens: 50, output_tokens: 8 } });
    await chat.close();
  });
});

describe('a background response', () => {
  it('is cancelled at the provider when the user cancels the turn', async () => {
    await using simulator = await startBackgroundSimulator({ stepMs: 5 });
    simulator.script({ text: ANSWER });
    await composition.addWorker();
    simulator.hold();
    const chat = await composition.api.converse({ harness_name: 'base', model_id: await backgroundModel(simulator) });
    await chat.post('Take your time.');
    await eventually(() => simulator.creations === 1, 'the response');
    expect(await chat.cancel()).toMatchObject({ status: 200, body: { status: 'cancelled' } });
    await chat.until('session.idled');
    await eventually(() => simulator.cancellations.length === 1, 'its cancellation');
    await chat.close();
  });
});

async function backgroundModel(simulator: BackgroundSimulator): Promise<string> {
  const { modelId } = await composition.api.createModel({
    provider_type: 'openai',
    model: 'gpt-5.4',
    base_url: simulator.baseUrl,
    api_key: KEY,
    options: { background: true },
  });
  return modelId;
}

async function doomedWorker(point: Point, simulator: BackgroundSimulator): Promise<() => boolean> {
  let isDead = false;
  const die = (): Fate => {
    if (isDead) return 'deliver';
    isDead = true;
    if (point.holds === true) simulator.hold();
    return 'lose';
  };
  await composition.addWorker({ hooks: point.hooks(die) });
  return () => isDead;
}
