import { createIdSource, DEFAULT_ORG_ID, toPublicId } from '@everruns/contract';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { rowsOf, testApp, textOf } from './testing/test-app.ts';
import type { TestApp } from './testing/test-app.ts';

/** Auth mode `none`: one user, in the default organization, and in those that it has made. */
let app: TestApp;

beforeAll(async () => {
  app = await testApp();
});
afterAll(() => app.close());

test('an organization that was made can be chosen, by header or cookie, and keeps what is in it to itself', async () => {
  const org = textOf((await app.call('POST', '/v1/orgs', { name: 'Second' })).json.id);
  const there = { 'x-org-id': org };
  const made = await app.call('POST', '/v1/agents', { name: 'there', system_prompt: 'x' }, there);
  expect(made.status).toBe(201);
  const agents = async (headers: Record<string, string> = {}): Promise<unknown[]> =>
    rowsOf((await app.call('GET', '/v1/agents', undefined, headers)).json.data).map(({ name }) => name);
  expect([await agents(there), await agents({ cookie: `everruns_org=${org}` }), await agents()]).toEqual([['there'], ['there'], []]);
  expect(await agents({ cookie: `everruns_org=${org}`, 'x-org-id': toPublicId('organization', DEFAULT_ORG_ID) })).toEqual([]);
  expect((await app.call('PATCH', `/v1/orgs/${org}`, { name: 'Renamed' })).json.name).toBe('Renamed');
});

test('one that it is no member of is as good as missing, and a cookie that is left over is no choice', async () => {
  const foreign = createIdSource().next();
  await app.db.run({ name: 'test_org', text: `insert into organizations (id, name) values ($1, 'Foreign')` }, [foreign]);
  const answers = await Promise.all(
    [foreign, createIdSource().next()].map((id) =>
      app.call('GET', '/v1/agents', undefined, { 'x-org-id': toPublicId('organization', id) }),
    ),
  );
  expect(answers.map(({ status }) => status)).toEqual([404, 404]);
  expect(answers[0]?.text).toBe(answers[1]?.text);
  const leftOver = { cookie: `everruns_org=${toPublicId('organization', foreign)}` };
  expect((await app.call('GET', '/v1/agents', undefined, leftOver)).status).toBe(200);
  expect((await app.call('GET', '/v1/agents', undefined, { 'x-org-id': 'nonsense' })).json.code).toBe('malformed_id');
});

test('its account stays', async () => {
  expect((await app.call('DELETE', '/v1/users/me')).json.code).toBe('wrong_state');
});
