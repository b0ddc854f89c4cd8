import { startWireSimulator, type WireReply, type WireSimulator } from '@everruns/providers/testing/wire-simulator';
import { describe, expect, it } from 'vitest';
import { eventually, type Api } from './api-client.ts';
import { compose, type Composition } from './composition.ts';
import { payload, type Conversation } from './conversation.ts';
import { KEY } from './setting.ts';

/** A provider in trouble, two control planes and four workers: who asks it, who waits, and that nobody is forgotten. */

const FAILURES_TO_OPEN = 5;
const OPEN_FOR = '30 seconds';
/** An answer that nobody can read: the provider's fault, and no attempt of the worker's own. */
const BROKEN: WireReply = { garbage: { body: '<html>Bad gateway</html>' } };

interface BreakerRow extends Record<string, unknown> {
  state: string;
  parked: number;
}

class Trouble implements AsyncDisposable {
  isBroken = true;
  readonly #composition: Composition;
  readonly simulator: WireSimulator;
  readonly #modelId: string;
  readonly #chats: Conversation[] = [];

  static async begin(): Promise<Trouble> {
    const [composition, simulator] = await Promise.all([compose({ servers: 2, workers: 4 }), startWireSimulator()]);
    return new Trouble(composition, simulator, await newModel(composition.api, simulator));
  }

  private constructor(composition: Composition, simulator: WireSimulator, modelId: string) {
    this.#composition = composition;
    this.simulator = simulator;
    this.#modelId = modelId;
    simulator.answer(() => (this.isBroken ? BROKEN : { text: 'Well again.' }));
  }

  get requests(): number {
    return this.simulator.requests.length;
  }

  get api(): Api {
    return this.#composition.api;
  }

  /** A new session, on the control planes in turn. */
  async converse(): Promise<Conversation> {
    const { apis } = this.#composition;
    const api = apis[this.#chats.length % apis.length] as Api;
    const chat = await api.converse({ harness_name: 'base', model_id: this.#modelId });
    this.#chats.push(chat);
    return chat;
  }

  /** Gives the model a fallback. */
  async standIn(fallbackId: string): Promise<void> {
    await this.api.expect('PATCH', `/v1/models/${this.#modelId}`, { fallback_model_id: fallbackId });
  }

  async failUntilOpen(): Promise<void> {
    for (let n = 0; n < FAILURES_TO_OPEN; n++) {
      const turn = await (await this.converse()).say('Are you there?');
      expect(payload(turn, 'turn.failed')).toMatchObject({ error_code: 'provider_unavailable' });
    }
    expect(this.requests).toBe(FAILURES_TO_OPEN);
    expect(await this.breaker()).toMatchObject({ state: 'open' });
    await this.afterABeat();
  }

  async startWaiting(count: number): Promise<Conversation[]> {
    const waiting = await Promise.all(Array.from({ length: count }, () => this.converse()));
    for (const chat of waiting) expect(await chat.post('Take your time.')).toMatchObject({ status: 201 });
    await eventually(async () => (await this.breaker()).parked === count, `${count} parked turns`);
    return waiting;
  }

  async breaker(): Promise<BreakerRow> {
    const text = `select state, (select count(*)::int from timers t where t.breaker = b.key) as parked from circuit_breakers b`;
    const [row] = await this.#composition.db.run<BreakerRow>({ name: 'test_breaker', text });
    return row ?? { state: 'closed', parked: 0 };
  }

  /** Every control plane has looked at the breakers since. */
  async afterABeat(): Promise<void> {
    const beats = async (): Promise<number[]> => {
      const statement = { name: 'test_beats', text: 'select beat from instances order by id' };
      return (await this.#composition.db.run<{ beat: number }>(statement)).map(({ beat }) => beat);
    };
    const before = await beats();
    // The second one: the first may have begun before.
    await eventually(async () => (await beats()).every((beat, index) => beat > (before[index] ?? 0) + 1), 'beats');
  }

  /** What waits for the circuit's time to pass finds it passed. */
  async passOpenPeriod(): Promise<void> {
    const later = (column: string): string => `${column} = ${column} - interval '${OPEN_FOR}'`;
    const { db } = this.#composition;
    await db.run({ name: 'test_pass_breakers', text: `update circuit_breakers set ${later('opened_at')} where state = 'open'` });
    await db.run({ name: 'test_pass_timers', text: `update timers set ${later('due_at')} where breaker is not null` });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const chat of this.#chats) await chat.leave();
    await this.#composition.close();
    await this.simulator.close();
  }
}

async function newModel(api: Api, simulator: WireSimulator): Promise<string> {
  const provider = { provider_type: 'anthropic', model: 'claude-sonnet-4-6', base_url: simulator.baseUrl('anthropic'), api_key: KEY };
  return (await api.createModel(provider)).modelId;
}

describe.concurrent('a provider that failed five times', { timeout: 90_000 }, () => {
  it('is not asked while the circuit is open; turns wait, and all of them end well once it is back', async () => {
    await using trouble = await Trouble.begin();
    await trouble.failUntilOpen();
    const waiting = await trouble.startWaiting(8);
    await trouble.afterABeat();
    expect(trouble.requests).toBe(FAILURES_TO_OPEN);
    for (const chat of waiting) expect(await chat.session()).toMatchObject({ status: 'active', activity: 'running' });

    trouble.isBroken = false;
    await trouble.passOpenPeriod();
    await Promise.all(waiting.map((chat) => chat.until('turn.completed')));
    expect(await trouble.breaker()).toEqual({ state: 'closed', parked: 0 });
    expect(trouble.requests).toBe(FAILURES_TO_OPEN + waiting.length);
    for (const chat of waiting) {
      expect(chat.answers).toEqual(['Well again.']);
      await chat.close();
    }
  });

  it('is asked once per open period while it stays broken, and nobody who waits fails for it', async () => {
    await using trouble = await Trouble.begin();
    await trouble.failUntilOpen();
    const waiting = await trouble.startWaiting(3);
    for (let period = 1; period <= 2; period++) {
      await trouble.passOpenPeriod();
      await eventually(() => trouble.requests === FAILURES_TO_OPEN + period, `probe ${period}`);
      await eventually(async () => (await trouble.breaker()).parked === waiting.length, 'the turn of the probe to wait on');
      await trouble.afterABeat();
      expect(trouble.requests).toBe(FAILURES_TO_OPEN + period);
      expect(await trouble.breaker()).toEqual({ state: 'open', parked: waiting.length });
    }
    trouble.isBroken = false;
    await trouble.passOpenPeriod();
    await Promise.all(waiting.map((chat) => chat.until('turn.completed')));
    expect(trouble.requests).toBe(FAILURES_TO_OPEN + 2 + waiting.length);
    for (const chat of waiting) {
      expect(chat.types.filter((type) => type.startsWith('turn.'))).toEqual(['turn.started', 'turn.completed']);
      await chat.close();
    }
  });

  it('is asked by one worker at a time until it has answered twice', async () => {
    await using trouble = await Trouble.begin();
    await trouble.failUntilOpen();
    const waiting = await trouble.startWaiting(4);
    const atOnce: number[] = [];
    trouble.simulator.answer(() => {
      atOnce.push(trouble.simulator.requests.filter(({ outcome }) => outcome === 'open').length);
      return { text: 'Slowly.', chunkDelayMs: 40 };
    });
    await trouble.passOpenPeriod();
    await Promise.all(waiting.map((chat) => chat.until('turn.completed')));
    expect(atOnce.slice(0, 2)).toEqual([1, 1]);
    for (const chat of waiting) await chat.close();
  });

  it('holds up nobody who talks to another one, and a waiting turn can be cancelled', async () => {
    await using trouble = await Trouble.begin();
    await trouble.failUntilOpen();
    const [waiting] = (await trouble.startWaiting(1)) as [Conversation];
    await using other = await startWireSimulator();
    other.script({ text: 'All is well here.' }, { text: 'At once.' });
    const otherModel = await newModel(trouble.api, other);
    const chat = await trouble.api.converse({ harness_name: 'base', model_id: otherModel });
    expect(payload(await chat.say('Are you there?'), 'turn.completed')).toMatchObject({ final_answer_preview: 'All is well here.' });
    await chat.close();

    expect(await waiting.cancel()).toMatchObject({ body: { status: 'cancelled' } });
    await waiting.until('session.idled');
    // A message that names another model leaves the troubled provider behind.
    const turn = await waiting.say('And you?', { controls: { model_id: otherModel } });
    expect(payload(turn, 'turn.completed')).toMatchObject({ final_answer_preview: 'At once.' });
    await waiting.close();
    expect(trouble.requests).toBe(FAILURES_TO_OPEN);
  });

  it('is stood in for by the fallback of its model, at once and at its own price, until it is back', async () => {
    await using trouble = await Trouble.begin();
    await using spare = await startWireSimulator();
    spare.answer(() => ({ text: 'In its place.', usage: { inputTokens: 1_000, outputTokens: 100 } }));
    const address = { base_url: spare.baseUrl('responses'), api_key: KEY };
    const { modelId } = await trouble.api.createModel({ provider_type: 'openai', model: 'gpt-5.4-mini', ...address });
    await trouble.standIn(modelId);
    await trouble.failUntilOpen();

    const chat = await trouble.converse();
    const turn = await chat.say('Are you there?');
    expect(payload(turn, 'turn.completed')).toMatchObject({ final_answer_preview: 'In its place.' });
    expect(payload(turn, 'reason.completed')).toMatchObject({
      fallback_for: { model: 'claude-sonnet-4-6', provider_type: 'anthropic' },
      usage: { estimated_cost_usd: 0.0012 },
    });
    expect(await chat.session()).toMatchObject({ usage: { estimated_cost_usd: 0.0012 } });
    expect(trouble.requests).toBe(FAILURES_TO_OPEN);

    trouble.isBroken = false;
    await trouble.passOpenPeriod();
    const back = payload(await chat.say('And now?'), 'reason.completed');
    expect(back).toMatchObject({ success: true });
    expect(back).not.toHaveProperty('fallback_for');
    expect(spare.requests).toHaveLength(1);
    await chat.close();
  });
});
