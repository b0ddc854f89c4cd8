import { parseKek } from '@everruns/storage';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { rowsOf, testApp, textOf } from './testing/test-app.ts';
import type { TestApp, Wire } from './testing/test-app.ts';

const CANARY = 'sk-canary-5e1f';
let app: TestApp;
let made = 0;

beforeAll(async () => {
  app = await testApp();
});
afterAll(() => app.close());

async function create(body: Record<string, unknown> = {}): Promise<Wire> {
  const answer = await app.call('POST', '/v1/providers', { name: `provider ${++made}`, provider_type: 'openai', ...body });
  expect(answer.status, answer.text).toBe(201);
  return answer.json;
}
const path = (provider: Wire, suffix = ''): string => `/v1/providers/${textOf(provider['id'])}${suffix}`;

/** Every row of every table, as text. */
async function everything(): Promise<string> {
  const texts: string[] = [];
  for (const table of Object.keys(await app.rowCounts())) {
    const rows = await app.db.run<{ row: unknown }>({ name: `dump_${table}`, text: `select to_jsonb(t) as row from ${table} t` });
    texts.push(JSON.stringify(rows));
  }
  return texts.join('\n');
}

describe('a key', () => {
  test('is stored encrypted and never told', async () => {
    const provider = await create({ api_key: CANARY, credentials: { region: 'x', secret: CANARY } });
    expect(provider).toMatchObject({ api_key_set: true, status: 'active' });
    const answers = [
      await app.call('GET', path(provider)),
      await app.call('GET', '/v1/providers'),
      await app.call('GET', '/v1/models'),
      await app.call('PATCH', path(provider), { name: `renamed ${made}` }),
      await app.call('GET', '/v1/llm-providers'),
    ];
    for (const { text, status } of answers) {
      expect(status).toBe(200);
      expect(text).not.toContain(CANARY);
      expect(text).not.toContain('ciphertext');
    }
    expect(await everything()).not.toContain(CANARY);
    expect(await everything()).not.toContain(Buffer.from(CANARY).toString('base64'));
  });

  test('is kept by a change that does not speak of it, replaced by one that does, cleared by null', async () => {
    const provider = await create({ api_key: CANARY });
    expect((await app.call('PATCH', path(provider), { status: 'disabled' })).json).toMatchObject({ api_key_set: true, status: 'disabled' });
    expect((await app.call('PATCH', path(provider), { api_key: 'sk-other' })).json['api_key_set']).toBe(true);
    expect((await app.call('PATCH', path(provider), { api_key: null })).json['api_key_set']).toBe(false);
  });

  test('may come as a credential', async () => {
    expect(await create({ credentials: { api_key: CANARY } })).toMatchObject({ api_key_set: true });
  });

  test('is gone from the database with its provider', async () => {
    const provider = await create({ api_key: CANARY });
    await app.call('DELETE', path(provider));
    const sql = { name: 'tombstone', text: 'select api_key_encrypted, deleted_at from providers where public_id($2, id) = $1' };
    const [row] = await app.db.run(sql, [textOf(provider['id']), 'provider']);
    expect(row).toMatchObject({ api_key_encrypted: null, deleted_at: expect.any(Date) });
    expect((await app.call('GET', path(provider))).status).toBe(404);
  });

  test('cannot be stored without an encryption key, and then nothing is', async () => {
    const keyless = await testApp({ keyring: [] });
    try {
      const before = await keyless.rowCounts();
      const refused = await keyless.call('POST', '/v1/providers', { name: 'x', provider_type: 'openai', api_key: CANARY });
      expect([refused.status, refused.json['code']]).toEqual([400, 'encryption_unavailable']);
      expect(await keyless.rowCounts()).toEqual(before);
      expect((await keyless.call('POST', '/v1/providers', { name: 'x', provider_type: 'openai' })).status).toBe(201);
    } finally {
      await keyless.close();
    }
  });

  test('is bound to its row: moved to another one it does not open', async () => {
    const { createVault } = await import('@everruns/storage');
    const keyring = [parseKek(`kek-v1:${Buffer.alloc(32, 7).toString('base64')}`)];
    const [mine, other] = [await create({ api_key: CANARY }), await create({ api_key: 'sk-other' })];
    const uuid = (entity: Wire): string =>
      textOf(entity['id'])
        .replace('provider_', '')
        .replace(/(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
    const read = { name: 'sealed', text: 'select api_key_encrypted as sealed, org_id from providers where id = $1' };
    const [row] = await app.db.run<{ sealed: unknown; org_id: string }>(read, [uuid(mine)]);
    const vault = createVault({ db: app.db, keyring });
    const place = (id: string) => ({ table: 'providers', column: 'api_key_encrypted', rowId: id, orgId: row?.org_id ?? '' });
    expect(await vault.open(place(uuid(mine)), row?.sealed)).toBe(CANARY);
    await expect(vault.open(place(uuid(other)), row?.sealed)).rejects.toThrow(/does not belong/);
  });
});

describe('a provider', () => {
  test('keeps address, options and trace; null clears them', async () => {
    const given = { base_url: 'http://localhost:4010/v1', options: { background: true }, trace: { enabled: true } };
    const provider = await create(given);
    expect(provider).toMatchObject(given);
    const cleared = (await app.call('PATCH', path(provider), { base_url: null, options: null, trace: null })).json;
    for (const member of ['base_url', 'options', 'trace']) expect(cleared).not.toHaveProperty(member);
  });

  test('of an aliased type has the type of the wire', async () => {
    expect(await create({ provider_type: 'gemini' })).toMatchObject({ provider_type: 'google' });
    expect(await create({ provider_type: 'openai_compatible' })).toMatchObject({ provider_type: 'openai_completions' });
  });

  test('takes its models along when it goes', async () => {
    const provider = await create();
    const model = await app.call('POST', path(provider, '/models'), { model_id: 'm', display_name: 'M' });
    await app.call('DELETE', path(provider));
    expect((await app.call('GET', `/v1/models/${textOf(model.json['id'])}`)).status).toBe(404);
  });

  test('of simulated models has no list to synchronise with', async () => {
    const simulated = await create({ provider_type: 'llmsim' });
    expect((await app.call('POST', path(simulated, '/sync-models'))).json).toEqual({ status: 'not_supported' });
  });

  test('without a key is not asked for its models', async () => {
    const answer = await app.call('POST', path(await create(), '/sync-models'));
    expect([answer.status, answer.json['code']]).toEqual([400, 'provider_key_missing']);
    const gone = await app.call('POST', `/v1/providers/provider_${'0'.repeat(31)}9/sync-models`);
    expect(gone.status).toBe(404);
  });

  test('types come with what their forms ask for', async () => {
    const { json } = await app.call('GET', '/v1/providers/config');
    expect(rowsOf(json['drivers']).map(({ driver }) => driver)).toEqual(['openai', 'openai_completions', 'anthropic', 'google', 'llmsim']);
  });
});

describe('models', () => {
  test('are made, changed, moved and deleted', async () => {
    const [first, second] = [await create(), await create()];
    const made = await app.call('POST', path(first, '/models'), { model_id: 'm-1', display_name: 'One', capabilities: ['chat'] });
    expect([made.status, made.json['source'], made.json['enabled']]).toEqual([201, 'manual', true]);
    const url = `/v1/models/${textOf(made.json['id'])}`;
    const changed = await app.call('PATCH', url, { is_favorite: true, enabled: false, provider_id: second['id'] });
    expect(changed.json).toMatchObject({ is_favorite: true, enabled: false, provider_id: second['id'], model_id: 'm-1' });
    expect(rowsOf((await app.call('GET', path(second, '/models'))).json['data']).map(({ id }) => id)).toEqual([made.json['id']]);
    expect((await app.call('DELETE', url)).status).toBe(204);
    expect((await app.call('DELETE', url)).status).toBe(404);
    expect((await app.call('POST', path(second, '/models'), { model_id: 'm-1', display_name: 'Again' })).status).toBe(201);
  });

  test('are healthy when a call could be made: a key, an active provider', async () => {
    const provider = await create();
    const model = (await app.call('POST', path(provider, '/models'), { model_id: 'h', display_name: 'H' })).json;
    const healthy = async (): Promise<unknown> => (await app.call('GET', `/v1/models/${textOf(model['id'])}`)).json['healthy'];
    expect(await healthy()).toBe(false);
    await app.call('PATCH', path(provider), { api_key: CANARY });
    expect(await healthy()).toBe(true);
    await app.call('PATCH', path(provider), { status: 'disabled' });
    expect(await healthy()).toBe(false);
  });

  test('are filtered by source and favourite', async () => {
    const provider = await create();
    const body = { model_id: 'fav', display_name: 'F', is_favorite: true };
    const favorite = (await app.call('POST', path(provider, '/models'), body)).json;
    const ids = async (query: string): Promise<unknown[]> =>
      rowsOf((await app.call('GET', `/v1/models?${query}`)).json['data']).map(({ id }) => id);
    expect(await ids('favorites_only=true')).toEqual([favorite['id']]);
    expect(await ids('source=predefined')).not.toContain(favorite['id']);
    expect((await ids('source=predefined')).length).toBeGreaterThan(0);
    expect((await app.call('GET', '/v1/models?source=invented')).status).toBe(400);
  });

  test('answer under their older names too', async () => {
    for (const name of ['models', 'providers']) {
      const [current, older] = [await app.call('GET', `/v1/${name}`), await app.call('GET', `/v1/llm-${name}`)];
      expect(older.json).toEqual(current.json);
    }
    const id = textOf(rowsOf((await app.call('GET', '/v1/llm-models')).json['data'])[0]?.['id']);
    expect((await app.call('GET', `/v1/llm-models/${id}`)).json['id']).toBe(id);
  });
});
