import { fromPublicId } from '@everruns/contract';
import type { Uuid } from '@everruns/contract';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { rowsOf, testApp, textOf } from './testing/test-app.ts';
import type { Answer, TestApp, Wire } from './testing/test-app.ts';

let app: TestApp;
let made = 0;

beforeAll(async () => {
  app = await testApp();
});
afterAll(() => app.close());

async function provider(body: Record<string, unknown> = {}): Promise<Wire> {
  const answer = await app.call('POST', '/v1/providers', { name: `p ${++made}`, provider_type: 'openai', ...body });
  expect(answer.status, answer.text).toBe(201);
  return answer.json;
}
const modelsOf = (owner: Wire): string => `/v1/providers/${textOf(owner['id'])}/models`;
const model = async (owner: Wire, body: Record<string, unknown>): Promise<Answer> =>
  app.call('POST', modelsOf(owner), { model_id: `m-${++made}`, display_name: 'M', ...body });
const read = async (answer: Answer): Promise<Wire> => (await app.call('GET', `/v1/models/${textOf(answer.json['id'])}`)).json;

describe('the profile of a model', () => {
  test('is found by the type of its provider and its name, also with a date', async () => {
    const known = await read(await model(await provider(), { model_id: 'gpt-5.4-2026-03-05' }));
    expect(known['profile']).toMatchObject({
      name: 'GPT-5.4',
      reasoning: true,
      limits: { context: 1_050_000, output: 128_000 },
      cost: { input: 2.5, output: 15, cache_read: 0.25 },
    });
    expect(await read(await model(await provider(), { model_id: 'something-new' }))).not.toHaveProperty('profile');
  });

  test('stands in lists, and every seeded model has one', async () => {
    const { json } = await app.call('GET', '/v1/models?source=predefined');
    for (const row of rowsOf(json['data'])) expect(row, textOf(row['model_id'])).toHaveProperty('profile');
  });

  test('is corrected field by field, changed, and cleared by null', async () => {
    const own = await model(await provider(), { model_id: 'gpt-5.4', profile: { cost: { input: 1, output: 2 } } });
    expect(own.json['profile_overrides']).toEqual({ cost: { input: 1, output: 2 } });
    expect((await read(own))['profile']).toMatchObject({ name: 'GPT-5.4', cost: { input: 1, output: 2 } });
    const url = `/v1/models/${textOf(own.json['id'])}`;
    await app.call('PATCH', url, { display_name: 'Renamed' });
    expect((await read(own))['profile']).toMatchObject({ cost: { input: 1, output: 2 } });
    expect((await app.call('PATCH', url, { profile: null })).json).not.toHaveProperty('profile_overrides');
    expect((await read(own))['profile']).toMatchObject({ cost: { input: 2.5 } });
  });

  test('is what the organization says, for a server of its own', async () => {
    const own = await provider({ provider_type: 'openai_compatible', base_url: 'http://localhost:11434/v1' });
    const local = await read(await model(own, { model_id: 'qwen', profile: { limits: { context: 32_768, output: 4_096 } } }));
    expect(local['profile']).toMatchObject({ name: 'qwen', limits: { context: 32_768 } });
    expect(await read(await model(own, { model_id: 'gpt-5.4' }))).not.toHaveProperty('profile');
  });

  test.each<[string, unknown, string]>([
    ['a price below nothing', { cost: { input: -1, output: 1 } }, 'profile.cost.input'],
    ['a price that is no number', { cost: { input: '1', output: 1 } }, 'profile.cost.input'],
    ['half a price', { cost: { input: 1 } }, 'profile.cost.output'],
    ['a window of nothing', { limits: { context: 0, output: 1 } }, 'profile.limits.context'],
    ['an effort that there is not', { reasoning_effort: { default: 'huge', values: [] } }, 'profile.reasoning_effort.default'],
    ['a fact that there is not', { colour: 'red' }, 'profile'],
    ['no object', 'cheap', 'profile'],
  ])('is not %s', async (_name, profile, field) => {
    const owner = await provider();
    const before = await app.rowCounts();
    const refused = await model(owner, { profile });
    expect([refused.status, refused.json['code'], refused.json['field']]).toEqual([400, 'invalid_request', field]);
    expect(await app.rowCounts()).toEqual(before);
  });
});

describe('a fallback', () => {
  test('is kept, shown and cleared', async () => {
    const spare = await model(await provider({ provider_type: 'anthropic' }), {});
    const own = await model(await provider(), { fallback_model_id: spare.json['id'] });
    expect([own.status, own.json['fallback_model_id']]).toEqual([201, spare.json['id']]);
    expect((await read(own))['fallback_model_id']).toBe(spare.json['id']);
    const cleared = await app.call('PATCH', `/v1/models/${textOf(own.json['id'])}`, { fallback_model_id: null });
    expect(cleared.json).not.toHaveProperty('fallback_model_id');
  });

  test('belongs to another provider, also after a move', async () => {
    const [first, second] = [await provider(), await provider()];
    const [own, sibling, spare] = [await model(first, {}), await model(first, {}), await model(second, {})];
    const url = `/v1/models/${textOf(own.json['id'])}`;
    for (const id of [own.json['id'], sibling.json['id']]) {
      const refused = await app.call('PATCH', url, { fallback_model_id: id });
      expect([refused.status, refused.json['code'], refused.json['field']]).toEqual([400, 'invalid_request', 'fallback_model_id']);
    }
    expect((await app.call('PATCH', url, { fallback_model_id: spare.json['id'] })).status).toBe(200);
    expect((await app.call('PATCH', url, { provider_id: second['id'] })).status).toBe(400);
    expect((await app.call('PATCH', url, { provider_id: second['id'], fallback_model_id: null })).status).toBe(200);
  });

  test('must be there', async () => {
    const gone = `model_${'0'.repeat(31)}9`;
    const refused = await model(await provider(), { fallback_model_id: gone });
    expect([refused.status, refused.json['code'], refused.json['field']]).toEqual([400, 'unknown_model', 'fallback_model_id']);
    expect((await model(await provider(), { fallback_model_id: 'nonsense' })).json['code']).toBe('malformed_id');
  });
});

describe('the default model of an organization', () => {
  const org = `/v1/orgs/org_${'0'.repeat(31)}1`;

  test('is set, read and cleared', async () => {
    const own = await model(await provider(), {});
    expect((await app.call('PATCH', org, { default_model_id: own.json['id'] })).json['default_model_id']).toBe(own.json['id']);
    expect((await app.call('GET', org)).json['default_model_id']).toBe(own.json['id']);
    expect((await app.call('PATCH', org, { default_model_id: null })).json).not.toHaveProperty('default_model_id');
  });

  test('must be one of its own', async () => {
    const refused = await app.call('PATCH', org, { default_model_id: `model_${'0'.repeat(31)}9` });
    expect([refused.status, refused.json['code'], refused.json['field']]).toEqual([400, 'unknown_model', 'default_model_id']);
  });
});

describe('a change of model in mid-conversation', () => {
  const logOf = (sessionId: string) => app.fixture.log(fromPublicId('session', sessionId) as Uuid);
  const changes = async (sessionId: string): Promise<unknown[]> => {
    return (await logOf(sessionId)).filter(({ type }) => type === 'session.model.changed').map(({ data }) => data);
  };
  const say = (sessionId: string, modelId?: unknown, more = {}): Promise<Answer> =>
    app.call('POST', `/v1/sessions/${sessionId}/messages`, {
      message: { content: [{ type: 'text', text: 'Hi' }] },
      ...(modelId === undefined ? {} : { controls: { model_id: modelId } }),
      ...more,
    });

  test('is an event when one explicit choice replaces another, and only then', async () => {
    const owner = await provider();
    const [one, two] = [(await model(owner, { model_id: 'one' })).json, (await model(owner, { model_id: 'two' })).json];
    const session = textOf((await app.call('POST', '/v1/sessions', { model_id: one['id'] })).json['id']);
    for (const chosen of [undefined, one['id'], one['id']]) expect((await say(session, chosen)).status).toBe(201);
    expect(await changes(session)).toEqual([]);
    expect((await say(session, two['id'])).json['delivery']).toBe('steered');
    const toTwo = { model_id: two['id'], model_name: 'two', previous_model_id: one['id'], previous_model_name: 'one' };
    expect(await changes(session)).toEqual([toTwo]);
    await say(session, two['id']);
    expect(await changes(session)).toHaveLength(1);
    await say(session, one['id']);
    expect(await changes(session)).toEqual([
      toTwo,
      { model_id: one['id'], model_name: 'one', previous_model_id: two['id'], previous_model_name: 'two' },
    ]);
  });

  test('follows its message in the log, also when that starts the turn, and is not said twice', async () => {
    const owner = await provider();
    const [one, two] = [(await model(owner, { model_id: 'one' })).json, (await model(owner, { model_id: 'two' })).json];
    const session = textOf((await app.call('POST', '/v1/sessions', { model_id: one['id'] })).json['id']);
    const key = { client_message_id: '7d2f0c7e-9a57-4b57-8e38-0f2b6a4f2a11' };
    expect((await say(session, two['id'], key)).json).toMatchObject({ delivery: 'started', sequence: 2 });
    expect((await say(session, two['id'], key)).json['delivery']).toBe('duplicate');
    const types = (await logOf(session)).map(({ type }) => type);
    expect(types.slice(0, 5)).toEqual(['session.started', 'input.message', 'session.model.changed', 'turn.started', 'session.activated']);
  });

  test('is none when nothing was chosen before', async () => {
    const own = (await model(await provider(), {})).json;
    const session = textOf((await app.call('POST', '/v1/sessions', {})).json['id']);
    await say(session, own['id']);
    expect(await changes(session)).toEqual([]);
  });
});

test.each<[string, object, string, string]>([
  ['an effort that there is not', { reasoning: { effort: 'huge' } }, 'invalid_request', 'controls.reasoning.effort'],
  ['a speed that there is not', { speed: 'warp' }, 'invalid_request', 'controls.speed'],
  ['a length that there is not', { verbosity: 'loud' }, 'invalid_request', 'controls.verbosity'],
  ['a model that there is not', { model_id: `model_${'0'.repeat(31)}9` }, 'unknown_model', 'controls.model_id'],
  ['something else than a model', { model_id: `agent_${'0'.repeat(31)}9` }, 'malformed_id', 'controls.model_id'],
])('a message that asks for %s is refused and not stored', async (_name, controls, code, field) => {
  const session = textOf((await app.call('POST', '/v1/sessions', {})).json['id']);
  const before = await app.rowCounts();
  const message = { content: [{ type: 'text', text: 'Hi' }] };
  const refused = await app.call('POST', `/v1/sessions/${session}/messages`, { message, controls });
  expect([refused.status, refused.json['code'], refused.json['field']]).toEqual([400, code, field]);
  expect(await app.rowCounts()).toEqual(before);
});

test.each<[string, object, string]>([
  ['no type', { api_key: 'k' }, 'provider_type'],
  ['an address that is none', { provider_type: 'openai', base_url: 'ftp://x' }, 'base_url'],
  ['a key with blanks', { provider_type: 'openai', api_key: 'a b' }, 'api_key'],
])('a key is not checked with %s', async (_name, body, field) => {
  const before = await app.rowCounts();
  const refused = await app.call('POST', '/v1/providers/check-credentials', body);
  expect([refused.status, refused.json['code'], refused.json['field']]).toEqual([400, 'invalid_request', field]);
  expect(await app.rowCounts()).toEqual(before);
});
