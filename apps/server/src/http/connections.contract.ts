import { ANONYMOUS_USER_ID, createIdSource, DEFAULT_ORG_ID, fromPublicId } from '@everruns/contract';
import { createSessionStorage } from '../services/session-storage.ts';
import { createVault } from '@everruns/storage';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { rowsOf, TEST_KEYRING, testApp, textOf } from './testing/test-app.ts';
import type { TestApp } from './testing/test-app.ts';
import { ANYONE } from './caller.ts';

const KEY = 'ghp_canary-91';
const PATH = '/v1/user/connections';
const OTHER_USER = createIdSource().next();
const AS_OTHER = { 'x-test-user': OTHER_USER, 'content-type': 'application/json' };
let app: TestApp;

beforeAll(async () => {
  app = await testApp({
    authenticate: (request) => {
      const user = request.headers['x-test-user'];
      return { ...ANYONE, userId: typeof user === 'string' ? user : ANONYMOUS_USER_ID };
    },
  });
  await app.db.run({ name: 'other_user', text: `insert into users (id, email, name) values ($1, 'other@example.com', 'Other')` }, [
    OTHER_USER,
  ]);
});
afterAll(() => app.close());

const listed = async (headers?: Record<string, string>) => (await app.call('GET', PATH, undefined, headers)).json['data'];

async function secretsOfNewSession(headers?: Record<string, string>): Promise<Record<string, string | null>> {
  const id = textOf((await app.call('POST', '/v1/sessions', '{}', { 'content-type': 'application/json', ...headers })).json['id']);
  const at = { orgId: DEFAULT_ORG_ID, sessionId: fromPublicId('session', id) as string };
  const storage = createSessionStorage({ db: app.db, vault: createVault({ db: app.db, keyring: TEST_KEYRING }) });
  const names = rowsOf((await app.call('GET', `/v1/sessions/${id}/storage/secrets`)).json['data']).map(({ name }) => textOf(name));
  return Object.fromEntries(await Promise.all(names.map(async (name) => [name, await storage.getSecret(at, name)] as const)));
}

test('a key is set, replaced and taken away, is a secret of the sessions that follow, and is told to nobody', async () => {
  expect(await listed()).toEqual([]);
  const first = await app.call('POST', `${PATH}/git-hub`, { api_key: 'ghp_first', extra: 1 });
  expect(first).toMatchObject({ status: 200, json: { provider: 'git-hub', connection_type: 'api_key', secret_name: 'GIT_HUB_API_KEY' } });
  const { status, json, text } = await app.call('POST', `${PATH}/git-hub`, { api_key: KEY });
  expect([status, json['created_at'], json['connected_at']]).toEqual([200, first.json['created_at'], json['updated_at']]);
  expect(text).not.toContain(KEY);
  await app.call('POST', `${PATH}/another`, { api_key: 'k' });
  expect(await listed()).toEqual([expect.objectContaining({ provider: 'another' }), json]);
  expect(await secretsOfNewSession()).toEqual({ ANOTHER_API_KEY: 'k', GIT_HUB_API_KEY: KEY });
  const [row] = await app.db.run<{ text: string }>({ name: 'stored', text: 'select user_connections::text as text from user_connections' });
  expect(row?.text).not.toContain(KEY);
  for (const status of [204, 404]) expect((await app.call('DELETE', `${PATH}/git-hub`)).status).toBe(status);
  expect(await secretsOfNewSession()).toEqual({ ANOTHER_API_KEY: 'k' });
});

test('keys are of one user: others neither see nor use them', async () => {
  await app.call('POST', `${PATH}/mine`, { api_key: KEY });
  expect(await listed(AS_OTHER)).toEqual([]);
  expect(await secretsOfNewSession(AS_OTHER)).toEqual({});
  expect((await app.call('DELETE', `${PATH}/mine`, undefined, { 'x-test-user': OTHER_USER })).status).toBe(404);
  await app.call('POST', `${PATH}/mine`, JSON.stringify({ api_key: 'theirs' }), AS_OTHER);
  expect(await secretsOfNewSession(AS_OTHER)).toEqual({ MINE_API_KEY: 'theirs' });
  expect(await secretsOfNewSession()).toMatchObject({ MINE_API_KEY: KEY });
});

test.each([
  ['mine', {}, 'api_key'],
  ['mine', { api_key: '' }, 'api_key'],
  ['mine', { api_key: 'a b' }, 'api_key'],
  ['Mine', { api_key: 'a' }, 'provider'],
  ['m_ne', { api_key: 'a' }, 'provider'],
])('%s with %j is refused', async (provider, body, field) => {
  const before = await app.rowCounts();
  expect((await app.call('POST', `${PATH}/${provider}`, body)).json).toMatchObject({ status: 400, code: 'invalid_request', field });
  expect(await app.rowCounts()).toEqual(before);
});

test('a user has at most 50, and can replace each of them', async () => {
  const set = async (n: number) => (await app.call('POST', `${PATH}/p-${n}`, JSON.stringify({ api_key: 'k' }), AS_OTHER)).status;
  const had = rowsOf(await listed(AS_OTHER)).length;
  const answers = await Promise.all(Array.from({ length: 50 - had }, (_, n) => set(n)));
  expect(new Set(answers)).toEqual(new Set([200]));
  expect([await set(99), await set(0)]).toEqual([409, 200]);
});

test('without an encryption key nothing is kept', async () => {
  const plain = await testApp({ keyring: [] });
  try {
    expect((await plain.call('POST', `${PATH}/mine`, { api_key: 'k' })).json).toMatchObject({
      status: 400,
      code: 'encryption_unavailable',
    });
    expect((await plain.call('POST', '/v1/sessions', {})).status).toBe(201);
  } finally {
    await plain.close();
  }
});
