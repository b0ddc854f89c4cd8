import { startWireSimulator, type WireSimulator } from '@everruns/providers/testing/wire-simulator';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compose, type Composition } from './composition.ts';
import { payload } from './conversation.ts';
import { KEY } from './setting.ts';

/** What calls cost, from the step to the totals of session and agent. */

let composition: Composition;
let simulator: WireSimulator;
beforeAll(async () => {
  [composition, simulator] = await Promise.all([compose(), startWireSimulator()]);
  simulator.answer(() => ({ text: 'Ok.', usage: { inputTokens: 1_000, outputTokens: 100, cacheReadTokens: 500 } }));
});
afterAll(async () => {
  await composition.close();
  await simulator.close();
});

type Json = Record<string, unknown>;
const costOf = (usage: unknown): unknown => (usage as Json)['estimated_cost_usd'];

async function newModel(model: string, profile?: Json): Promise<string> {
  const { api } = composition;
  const provider = { provider_type: 'anthropic', base_url: simulator.baseUrl('anthropic'), api_key: KEY };
  const { modelId } = await api.createModel({ model, ...provider });
  if (profile !== undefined) await api.expect('PATCH', `/v1/models/${modelId}`, { profile });
  return modelId;
}

async function newAgent(): Promise<string> {
  const body = { name: `priced-${Date.now()}-${Math.floor(Math.random() * 1e6)}`, system_prompt: 'Be brief.' };
  return (await composition.api.expect<{ id: string }>('POST', '/v1/agents', body)).id;
}

describe('the cost of calls', () => {
  it('adds up over steps, turns, sessions and agents; a call of unknown price adds its tokens alone', async () => {
    const { api } = composition;
    const agentId = await newAgent();
    const [priced, own, unknown] = [
      await newModel('claude-sonnet-4-6'),
      await newModel('in-house', { cost: { input: 1, output: 10, cache_read: 0 } }),
      await newModel('never-heard-of'),
    ];
    const first = await api.converse({ agent_id: agentId, model_id: priced });
    // 500 x 3 + 500 x 0.3 + 100 x 15, per million
    expect(costOf(payload(await first.say('One.'), 'turn.completed')['usage'])).toBe(0.00315);
    expect(costOf(payload(await first.say('Two.'), 'session.idled')['usage'])).toBe(0.0063);
    const second = await api.converse({ agent_id: agentId, model_id: own });
    for (const text of ['Three.', 'Four.']) {
      expect(costOf(payload(await second.say(text), 'reason.completed')['usage'])).toBe(0.0015);
    }
    const third = await api.converse({ agent_id: agentId, model_id: unknown });
    expect(payload(await third.say('Five.'), 'reason.completed')['usage']).not.toHaveProperty('estimated_cost_usd');

    const session = await api.expect<Json>('GET', `/v1/sessions/${first.id}`);
    expect(session['usage']).toMatchObject({
      input_tokens: 2_000,
      output_tokens: 200,
      cache_read_tokens: 1_000,
      estimated_cost_usd: 0.0063,
    });
    const agent = await api.expect<{ usage: Json }>('GET', `/v1/agents/${agentId}`);
    expect(agent.usage).toMatchObject({ input_tokens: 5_000, output_tokens: 500, cache_read_tokens: 2_500 });
    expect(agent.usage['estimated_cost_usd']).toBeCloseTo(2 * 0.00315 + 2 * 0.0015, 9);
    const stats = await api.expect<Json>('GET', `/v1/agents/${agentId}/stats`);
    expect(stats).toMatchObject({ total_input_tokens: 5_000, total_cache_read_tokens: 2_500 });
    expect(stats['total_cost_usd']).toBeCloseTo(0.0093, 9);
    for (const chat of [first, second, third]) await chat.close();
  });

  it('is that of the prices at the time: a later correction changes nothing that is written', async () => {
    const { api } = composition;
    const model = await newModel('in-house-2', { cost: { input: 1, output: 1 } });
    const chat = await api.converse({ harness_name: 'base', model_id: model });
    const before = costOf(payload(await chat.say('One.'), 'reason.completed')['usage']);
    expect(before).toBe(0.0011);
    await api.expect('PATCH', `/v1/models/${model}`, { profile: { cost: { input: 100, output: 100 } } });
    const session = await api.expect<Json>('GET', `/v1/sessions/${chat.id}`);
    expect(costOf(session['usage'])).toBe(before);
    expect(costOf(payload(await chat.say('Two.'), 'reason.completed')['usage'])).toBe(0.11);
    await chat.close();
  });
});
