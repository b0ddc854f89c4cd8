import { startWireSimulator, type WireSimulator } from '@everruns/providers/testing/wire-simulator';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { compose, type Composition } from './composition.ts';
import { expectEvents, payload } from './conversation.ts';
import { keyOf, received } from './received.ts';
import { KEY } from './setting.ts';
import { WIRES, type Wire } from './wires.ts';

/** The sentence that people see when a provider cannot be used as it is configured. */
const MISCONFIGURED = 'I encountered an error while processing your request. Please try again later.';

let composition: Composition;
let simulator: WireSimulator;
beforeAll(async () => {
  composition = await compose();
});
afterAll(() => composition.close());
beforeEach(async () => {
  simulator = await startWireSimulator();
});
afterEach(() => simulator.close());

const KEYED = WIRES.filter(({ name }) => !name.includes('compatible') && !name.includes('Chat Completions'));
const KEYLESS = WIRES.find(({ name }) => name.includes('compatible')) as Wire;

/** Names of the tables that hold a text anywhere. */
async function tablesWith(text: string): Promise<string[]> {
  const tables = await composition.db.run<{ name: string }>({
    name: 'test_all_tables',
    text: `select table_name as name from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE'`,
  });
  const found: string[] = [];
  for (const { name } of tables) {
    const search = { name: `test_search_${name}`, text: `select 1 from ${name} t where strpos(t::text, $1) > 0 limit 1` };
    if ((await composition.db.run(search, [text])).length > 0) found.push(name);
  }
  return found;
}

describe.each(KEYED)('$name', (wire) => {
  it('without a key says the one sentence, fails the turn, and is asked once it has a key', async () => {
    const { providerId, modelId } = await composition.api.createModel({
      provider_type: wire.providerType,
      model: wire.model,
      base_url: simulator.baseUrl(wire.protocol),
    });
    const chat = await composition.api.converse({ harness_name: 'base', model_id: modelId });
    const turn = await chat.say('Are you there?');
    expectEvents(turn, [
      'input.message',
      'turn.started',
      'session.activated',
      'reason.started',
      ['llm.generation', { metadata: { success: false } }],
      ['reason.completed', { success: false }],
      [
        'output.message.completed',
        {
          message: { role: 'agent', content: [{ type: 'text', text: MISCONFIGURED }] },
          error_code: 'provider_misconfigured',
          error_disclosure: 'standard',
        },
      ],
      ['turn.failed', { error: MISCONFIGURED, error_code: 'provider_misconfigured', error_disclosure: 'standard' }],
      'session.idled',
    ]);
    expect(simulator.requests).toEqual([]);
    expect(await chat.session()).toMatchObject({ status: 'idle', activity: 'failed', output_preview: MISCONFIGURED });

    await composition.api.expect('PATCH', `/v1/providers/${providerId}`, { api_key: KEY });
    simulator.script({ text: 'Here I am.' });
    expect(payload(await chat.say('And now?'), 'turn.completed')).toMatchObject({ final_answer_preview: 'Here I am.' });
    expect(simulator.requests.map(keyOf)).toEqual([KEY]);
    expect(received(simulator.requests[0])).toEqual(['user: Are you there?', 'user: And now?']);
    await chat.close();
  });
});

describe('a key', () => {
  it('stands nowhere in the database and in no answer, and the newest one is used', async () => {
    const [first, second] = [`${KEY}-the-first`, `${KEY}-the-second`];
    const { providerId, modelId } = await composition.api.createModel({
      provider_type: 'openai',
      model: 'gpt-5.4-mini',
      base_url: simulator.baseUrl('responses'),
      api_key: first,
    });
    const chat = await composition.api.converse({ harness_name: 'base', model_id: modelId });
    simulator.script({ text: 'One.' }, { text: 'Two.' }, { error: { status: 401, message: `Incorrect API key: ${second}.` } });
    await chat.say('First.');
    expect(await composition.api.expect('PATCH', `/v1/providers/${providerId}`, { api_key: second })).toMatchObject({ api_key_set: true });
    await chat.say('Second.');
    await chat.say('Third.', { controls: { error_disclosure: 'detailed' } });
    expect(simulator.requests.map(keyOf)).toEqual([first, second, second]);
    const answers = [chat.events, await chat.messages(), await composition.api.expect('GET', '/v1/providers')];
    for (const key of [first, second]) {
      expect(await tablesWith(key)).toEqual([]);
      expect(JSON.stringify(answers)).not.toContain(key);
      expect(composition.workers.flatMap(({ troubles }) => troubles).join()).not.toContain(key);
    }
    expect(await tablesWith(providerId.replace(/^provider_(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5'))).toContain('providers');
    await chat.close();
  });

  it('is not needed at an address of one’s own', async () => {
    const base_url = simulator.baseUrl(KEYLESS.protocol);
    const { modelId } = await composition.api.createModel({ provider_type: KEYLESS.providerType, model: 'local-model', base_url });
    const chat = await composition.api.converse({ harness_name: 'base', model_id: modelId });
    simulator.script({ text: 'Locally.' });
    expect(payload(await chat.say('Where are you?'), 'turn.completed')).toMatchObject({ final_answer_preview: 'Locally.' });
    expect(simulator.requests[0]?.headers).not.toHaveProperty('authorization');
    await chat.close();
  });
});
