import { startCatalogueSimulator, type CatalogueAnswer, type CatalogueSimulator } from '@everruns/providers/testing/catalogue-simulator';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { compose, type Composition } from './composition.ts';

/** Providers are asked for their models by a worker; the control plane, which reaches no provider, writes what they say. */

let composition: Composition;
let simulator: CatalogueSimulator;
beforeAll(async () => {
  simulator = await startCatalogueSimulator();
  composition = await compose();
});
afterAll(async () => {
  await composition.close();
  await simulator[Symbol.asyncDispose]();
});
beforeEach(() => simulator.answer({ kind: 'models', models: [{ id: 'one' }, { id: 'two' }] }));

let made = 0;
type Json = Record<string, unknown>;

async function provider(type: string, more: Json = {}): Promise<string> {
  const body = { name: `p ${++made}`, provider_type: type, base_url: simulator.url, api_key: 'test-key', ...more };
  return (await call('POST', '/v1/providers', body)).json['id'] as string;
}

async function call(method: string, path: string, body?: unknown): Promise<{ status: number; json: Json; text: string }> {
  const answer = await fetch(`${composition.api.url}${path}`, {
    method,
    ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  return { status: answer.status, json: JSON.parse(text) as Json, text };
}

const sync = (id: string) => call('POST', `/v1/providers/${id}/sync-models`);
const models = async (id: string): Promise<Json[]> => (await call('GET', `/v1/providers/${id}/models`)).json['data'] as Json[];
const query = (name: string, text: string) => composition.db.run({ name: `test_${name}`, text }, []);

describe.each(['openai', 'openai_compatible', 'anthropic', 'gemini'])('a provider of type %s', (type) => {
  it('brings its models in: discovered and not enabled, once', async () => {
    const id = await provider(type);
    expect((await sync(id)).json).toEqual({ status: 'success', created: 2, updated: 0, stale: 0 });
    expect(await models(id)).toMatchObject([
      { model_id: 'one', source: 'discovered', enabled: false, stale: false },
      { model_id: 'two', source: 'discovered', enabled: false },
    ]);
    expect((await sync(id)).json).toEqual({ status: 'success', created: 0, updated: 2, stale: 0 });
    expect((await call('GET', `/v1/providers/${id}`)).json['last_synced_at']).toEqual(expect.any(String));
  });

  it('has its key checked before it is stored', async () => {
    const body = { provider_type: type, base_url: simulator.url };
    expect((await call('POST', '/v1/providers/check-credentials', { ...body, api_key: 'test-key' })).json).toEqual({
      valid: true,
      status: 'valid',
      model_count: 2,
    });
    const refused = await call('POST', '/v1/providers/check-credentials', { ...body, api_key: 'sk-canary-77' });
    expect(refused.json).toMatchObject({ valid: false, status: 'invalid' });
    expect(refused.text).not.toContain('sk-canary-77');
  });
});

describe('a synchronisation', () => {
  it('marks what is missing as stale, wakes it when it returns, leaves what was made by hand and what was removed', async () => {
    const id = await provider('openai');
    await call('POST', `/v1/providers/${id}/models`, { model_id: 'mine', display_name: 'Mine' });
    await sync(id);
    const two = (await models(id)).find((model) => model['model_id'] === 'two') as Json;
    simulator.answer({ kind: 'models', models: [{ id: 'one' }] });
    expect((await sync(id)).json).toMatchObject({ stale: 1 });
    const stale = (await models(id)).filter((model) => model['stale'] === true);
    expect(stale.map((model) => model['model_id'])).toEqual(['two']);
    simulator.answer({ kind: 'models', models: [{ id: 'one' }, { id: 'two' }] });
    expect((await sync(id)).json).toMatchObject({ created: 0, updated: 2, stale: 0 });
    await fetch(`${composition.api.url}/v1/models/${two['id'] as string}`, { method: 'DELETE' });
    expect((await sync(id)).json).toMatchObject({ created: 0, updated: 1, stale: 0 });
  });

  it('keeps the limits that the list tells, where nothing else is known', async () => {
    simulator.answer({
      kind: 'models',
      models: [{ id: 'new-one', displayName: 'New', context: 1_000, output: 100 }, { id: 'gemini-2.5-pro' }],
    });
    const id = await provider('gemini');
    await sync(id);
    const [fresh, known] = await models(id);
    expect(fresh).toMatchObject({ display_name: 'New', profile_overrides: { limits: { context: 1_000, output: 100 } } });
    expect(known).toMatchObject({ display_name: 'Gemini 2.5 Pro' });
    expect(known).not.toHaveProperty('profile_overrides');
  });

  it.each<[string, CatalogueAnswer, number, string]>([
    ['not JSON', { kind: 'status', status: 200, body: 'hello' }, 503, 'provider_unavailable'],
    ['50 MB', { kind: 'flood', bytes: 50 * 1024 * 1024 }, 503, 'provider_unavailable'],
    ['no models at all', { kind: 'models', models: [] }, 503, 'provider_unavailable'],
    ['an overload', { kind: 'status', status: 500, body: '{}' }, 503, 'provider_unavailable'],
    ['a refusal', { kind: 'status', status: 401, body: '{}' }, 400, 'provider_key_invalid'],
  ])('writes nothing when the provider answers with %s', async (_name, answer, status, code) => {
    const id = await provider('anthropic');
    await sync(id);
    const before = await models(id);
    simulator.answer(answer);
    const refused = await sync(id);
    expect([refused.status, refused.json['code']]).toEqual([status, code]);
    expect(await models(id)).toEqual(before);
  });

  it('takes thousands of models', async () => {
    simulator.answer({ kind: 'models', models: Array.from({ length: 6_000 }, (_, n) => ({ id: `m-${n}` })), pageSize: 6_000 });
    expect((await sync(await provider('openai'))).json).toMatchObject({ created: 5_000 });
  });

  it('leaves no head, no log, no list and no key behind', async () => {
    const id = await provider('openai');
    await sync(id);
    expect(await query('heads', `select 1 from session_heads h join workflows w on w.id = h.session_id`)).toEqual([]);
    expect(await query('logs', `select 1 from events e join workflows w on w.id = e.session_id`)).toEqual([]);
    const rows = await query('states', `select to_jsonb(w) as row from workflows w union all select to_jsonb(e) from workflow_events e`);
    expect(JSON.stringify(rows)).not.toContain('test-key');
    expect(await query('results', `select 1 from workflows where kind = 'catalogue' and state#>>'{catalogue,result}' is not null`)).toEqual(
      [],
    );
  });
});
