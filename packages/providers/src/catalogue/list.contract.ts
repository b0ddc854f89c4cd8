import { ModelError, type ListedModel } from '@everruns/agent/model';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { builtinDrivers } from '../builtin.ts';
import { createModelRegistry } from '../registry.ts';
import { startCatalogueSimulator, type CatalogueSimulator } from '../testing/catalogue-simulator.ts';
import { getJson } from './get-json.ts';

let simulator: CatalogueSimulator;
beforeAll(async () => {
  simulator = await startCatalogueSimulator();
});
afterAll(() => simulator[Symbol.asyncDispose]());
beforeEach(() => simulator.answer({ kind: 'models', models: [] }));

const registry = createModelRegistry({ drivers: builtinDrivers() });
const PROVIDERS = ['openai', 'openai_compatible', 'anthropic', 'gemini'];

const list = (providerType: string, apiKey = 'test-key', signal = new AbortController().signal): Promise<ListedModel[] | null> =>
  registry.list({ providerType, baseUrl: simulator.url, apiKey }, signal);

async function failure(providerType: string, apiKey?: string): Promise<ModelError> {
  const error: unknown = await list(providerType, apiKey).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(ModelError);
  return error as ModelError;
}

describe.each(PROVIDERS)('%s', (providerType) => {
  test('lists what the provider has, once each', async () => {
    simulator.answer({ kind: 'models', models: [{ id: 'one' }, { id: 'two' }, { id: 'one' }] });
    expect((await list(providerType))?.map(({ id }) => id)).toEqual(['one', 'two']);
    expect(simulator.requests.at(-1)).toMatchObject({ key: 'test-key' });
  });

  test('leaves out names that nobody could call', async () => {
    simulator.answer({ kind: 'models', models: [{ id: '' }, { id: 'a b' }, { id: 'x'.repeat(300) }, { id: 'z\n' }, { id: 'good' }] });
    expect((await list(providerType))?.map(({ id }) => id)).toEqual(['good']);
  });

  test('takes thousands, and no more than that', async () => {
    simulator.answer({ kind: 'models', models: Array.from({ length: 7_000 }, (_, n) => ({ id: `m-${n}` })), pageSize: 7_000 });
    expect(await list(providerType)).toHaveLength(5_000);
  });

  test('says that a key is refused, without the key', async () => {
    const error = await failure(providerType, 'sk-wrong');
    expect([error.kind, error.status]).toEqual(['authentication', 401]);
    expect(error.message).not.toContain('sk-wrong');
  });

  test.each([
    ['not JSON', { kind: 'status', status: 200, body: '<html>' }, 'invalid_response'],
    ['a list', { kind: 'status', status: 200, body: '[]' }, 'invalid_response'],
    ['something else', { kind: 'status', status: 200, body: '{"data":7,"models":{}}' }, 'invalid_response'],
    ['nothing', { kind: 'status', status: 200, body: '' }, 'invalid_response'],
    ['50 MB', { kind: 'flood', bytes: 50 * 1024 * 1024 }, 'invalid_response'],
    ['an overload', { kind: 'status', status: 503, body: 'x'.repeat(1_000_000) }, 'unavailable'],
    ['too many requests', { kind: 'status', status: 429, body: '{}', headers: { 'retry-after': '7' } }, 'rate_limited'],
  ] as const)('takes %s for what it is', async (_name, answer, kind) => {
    simulator.answer(answer);
    expect((await failure(providerType)).kind).toBe(kind);
  });

  test('is ended by its signal', async () => {
    simulator.answer({ kind: 'hang' });
    const stop = new AbortController();
    const listing = list(providerType, 'test-key', stop.signal);
    stop.abort(new Error('enough'));
    await expect(listing).rejects.toThrow('enough');
  });
});

test.each(['anthropic', 'gemini'])('%s: all pages are read, and pages without end are not', async (providerType) => {
  const models = Array.from({ length: 25 }, (_, n) => ({ id: `m-${n}` }));
  simulator.answer({ kind: 'models', models, pageSize: 10 });
  expect(await list(providerType)).toHaveLength(25);
  simulator.answer({ kind: 'endless pages' });
  expect(await list(providerType)).toHaveLength(20);
});

test('names and limits come along where the wire has them', async () => {
  simulator.answer({
    kind: 'models',
    models: [{ id: 'm', displayName: 'The M', context: 1_000, output: 100 }, { id: 'text-embedding-1' }],
  });
  expect(await list('gemini')).toEqual([{ id: 'm', displayName: 'The M', limits: { context: 1_000, output: 100 } }]);
  expect((await list('anthropic'))?.[0]).toEqual({ id: 'm', displayName: 'The M' });
});

test('a provider that says nothing is given up', async () => {
  simulator.answer({ kind: 'hang' });
  const call = { signal: new AbortController().signal, timeoutMs: 50, apiKey: 'test-key', headers: { 'x-api-key': 'test-key' } };
  await expect(getJson(`${simulator.url}/v1/models`, call)).rejects.toMatchObject({ kind: 'timeout' });
});

test('a server that is not there is unavailable', async () => {
  const gone = await startCatalogueSimulator();
  await gone[Symbol.asyncDispose]();
  const endpoint = { providerType: 'openai', baseUrl: gone.url, apiKey: 'k' };
  await expect(registry.list(endpoint, new AbortController().signal)).rejects.toMatchObject({ kind: 'unavailable' });
});

test('without a key nothing is asked; simulated models have no list', async () => {
  const signal = new AbortController().signal;
  await expect(registry.list({ providerType: 'anthropic' }, signal)).rejects.toMatchObject({ kind: 'misconfigured' });
  expect(await registry.list({ providerType: 'llmsim' }, signal)).toBeNull();
});
