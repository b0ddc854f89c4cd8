import { DEFAULT_ORG_ID, toPublicId } from '@everruns/contract';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { testApp, textOf } from './testing/test-app.ts';
import type { Answer, TestApp, Wire } from './testing/test-app.ts';
import type { Person } from './testing/test-identity.ts';

/** Tokens as they really come in, from their making to their end. */

const OTHER = '00000000-0000-0000-0000-0000000000aa';
const [OWN_ORG, OTHER_ORG] = [DEFAULT_ORG_ID, OTHER].map((id) => toPublicId('organization', id)) as [string, string];
let app: TestApp;

beforeAll(async () => {
  app = await testApp({ auth: 'full' });
  await app.db.run({ name: 't_other', text: `insert into organizations (id, name) values ($1, 'Other')` }, [OTHER]);
});
afterAll(() => app.close());

async function made(person: Person, options: Record<string, unknown> = {}): Promise<Wire> {
  const headers = { ...person.headers, 'x-org-id': OWN_ORG };
  const answer = await app.call('POST', '/v1/auth/personal-access-tokens', { name: 'token', ...options }, headers);
  expect(answer.status).toBe(201);
  return answer.json;
}
const keyOf = (token: Wire): string => textOf(token['key']);
const get = (path: string, authorization: string, more: Record<string, string> = {}): Promise<Answer> =>
  app.call('GET', path, undefined, { authorization, ...more });
const me = (authorization: string, more?: Record<string, string>): Promise<Answer> => get('/v1/auth/me', authorization, more);
const joinOther = (person: Person) =>
  app.db.run({ name: 't_join_other', text: `insert into org_members (org_id, user_id, role) values ($1, $2, 'owner')` }, [
    OTHER,
    person.userId,
  ]);

describe('a personal access token', () => {
  test('is known in each of its spellings, and by its whole text alone', async () => {
    const person = await app.person();
    const key = keyOf(await made(person));
    expect(key).toMatch(/^evr_pat_[0-9a-f]{64}$/);
    for (const header of [key, `Bearer ${key}`, `bearer ${key}`, `ApiKey ${key}`, `APIKEY  ${key}`])
      expect((await me(header)).status).toBe(200);
    const wrong = [
      `Basic ${key}`,
      `${key}0`,
      key.slice(0, -1),
      key.toUpperCase(),
      `Bearer Bearer ${key}`,
      `evr_pat_${'0'.repeat(64)}`,
      'evr_pat_',
      `Bearer ${key},${key}`,
    ];
    for (const header of wrong) expect([header, (await me(header)).status]).toEqual([header, 401]);
    expect((await app.call('GET', '/v1/auth/me', undefined, { cookie: `access_token=${key}` })).status).toBe(401);
  });

  test('works in the organization that it was made in, and another one is missing, for its user as well', async () => {
    const person = await app.person({ role: 'member' });
    await joinOther(person);
    const bound = keyOf(await made(person));
    expect((await me(bound)).json['roles']).toEqual(['member']);
    expect((await me(bound, { 'x-org-id': OWN_ORG })).status).toBe(200);
    expect((await me(bound, { cookie: `everruns_org=${OTHER_ORG}` })).json['roles']).toEqual(['member']);
    const [foreign, missing] = [await me(bound, { 'x-org-id': OTHER_ORG }), await me(bound, { 'x-org-id': `org_${'e'.repeat(32)}` })];
    expect([foreign.status, foreign.json]).toEqual([404, missing.json]);
    const everywhere = keyOf(await made(person, { all_organizations: true }));
    expect((await me(everywhere, { 'x-org-id': OTHER_ORG })).json['roles']).toEqual(['owner']);
    expect(await get('/v1/agents', everywhere)).toMatchObject({ status: 400, json: { code: 'organization_required' } });
  });

  test('gives the rights of its user within its scopes, as they are now', async () => {
    const person = await app.person({ role: 'admin' });
    const [reads, agents] = [keyOf(await made(person, { scopes: ['read'] })), keyOf(await made(person, { scopes: ['org:agents:manage'] }))];
    const makeAgent = (key: string, name: string) => app.call('POST', '/v1/agents', { name, system_prompt: 'x' }, { authorization: key });
    expect((await get('/v1/agents', reads)).status).toBe(200);
    expect((await makeAgent(reads, 'one')).status).toBe(403);
    expect((await makeAgent(agents, 'two')).status).toBe(201);
    expect((await get('/v1/agents', agents)).status).toBe(403);
    for (const key of [reads, agents]) {
      expect((await me(key)).status).toBe(200);
      expect((await app.call('PATCH', '/v1/users/me', { name: 'x' }, { authorization: key })).status).toBe(403);
      expect((await app.call('POST', '/v1/auth/personal-access-tokens', { name: 'x' }, { authorization: key })).status).toBe(403);
    }
    await app.db.run({ name: 't_demote', text: `update org_members set role = 'member' where user_id = $1` }, [person.userId]);
    const provider = { name: 'p', provider_type: 'openai' };
    expect((await app.call('POST', '/v1/providers', provider, { authorization: keyOf(await made(person)) })).status).toBe(403);
  });

  test('never makes an operator of somebody who narrowed or bound it', async () => {
    const person = await app.person({ isPlatformUser: true });
    const installation = (authorization: string): Promise<Answer> => get('/v1/audit-logs', authorization);
    expect((await installation(textOf(person.headers['authorization']))).status).toBe(200);
    expect((await installation(keyOf(await made(person, { all_organizations: true })))).status).toBe(200);
    for (const options of [{}, { all_organizations: true, scopes: ['read'] }])
      expect((await installation(keyOf(await made(person, options)))).status).toBe(403);
  });

  test('ends when it expires, is revoked, or its user leaves or is gone', async () => {
    const person = await app.person();
    const ends: [string, () => Promise<unknown>][] = [];
    const [expiring, revoked, left] = [await made(person, { expires_in_days: 1 }), await made(person), await made(person)];
    const gone = await made(person, { all_organizations: true });
    const age = `update personal_access_tokens set expires_at = now() where token_prefix = $1`;
    ends.push([keyOf(expiring), () => app.db.run({ name: 't_expire', text: age }, [textOf(expiring['key_prefix'])])]);
    const path = `/v1/auth/personal-access-tokens/${textOf(revoked['id'])}`;
    ends.push([keyOf(revoked), async () => expect((await app.call('DELETE', path, undefined, person.headers)).status).toBe(204)]);
    ends.push([keyOf(left), () => app.db.run({ name: 't_left', text: 'delete from org_members where user_id = $1' }, [person.userId])]);
    ends.push([keyOf(gone), () => app.db.run({ name: 't_del', text: 'delete from users where id = $1' }, [person.userId])]);
    for (const [key, end] of ends) {
      expect((await me(key)).status).toBe(200);
      await end();
      expect((await me(key)).status).toBe(401);
    }
  });

  test('of a service account is bound for good, and logs nobody in', async () => {
    const person = await app.person();
    const account = await app.call('POST', '/v1/service-accounts', { name: 'robot', role: 'member' }, person.headers);
    expect(account.status).toBe(201);
    const tokens = `/v1/service-accounts/${textOf(account.json['id'])}/tokens`;
    const token = await app.call('POST', tokens, { name: 'one' }, person.headers);
    const key = keyOf(token.json);
    const { json } = await me(key);
    expect(json).toMatchObject({ name: 'robot', roles: ['member'] });
    expect((await me(key, { 'x-org-id': OTHER_ORG })).status).toBe(404);
    for (const path of ['login', 'forgot-password']) {
      expect((await app.call('POST', `/v1/auth/${path}`, { email: textOf(json['email']), password: 'x' })).status).not.toBe(500);
    }
    await expect(app.identity.logins.open(textOf(json['id']), { userAgent: null, ip: 'x' })).rejects.toMatchObject({
      code: 'unauthenticated',
    });
  });

  test('that was put under the anonymous user lets nobody in', async () => {
    const person = await app.person();
    const token = await made(person, { all_organizations: true });
    const text = `update personal_access_tokens set user_id = '00000000-0000-0000-0000-000000000001' where id = $1`;
    await app.db.run({ name: 't_anonymous', text }, [textOf(token['id'])]);
    expect((await me(keyOf(token))).status).toBe(401);
  });
});
