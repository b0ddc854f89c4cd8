import { ANONYMOUS_USER_ID, createIdSource, DEFAULT_ORG_ID, toPublicId } from '@everruns/contract';
import type { Uuid } from '@everruns/contract';
import { insertToken, joinOrganization } from '@everruns/storage';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newTokenText } from '../identity/token-text.ts';
import { testApp, textOf } from './testing/test-app.ts';
import type { TestApp } from './testing/test-app.ts';
import type { Person } from './testing/test-identity.ts';

/** Whom a token lets in, where, and to what: with real tokens, from the header to the database. */

const ids = createIdSource();
const OTHER_ORG = ids.next();
const [DEFAULT, OTHER] = [toPublicId('organization', DEFAULT_ORG_ID), toPublicId('organization', OTHER_ORG)];
let app: TestApp;
let owner: Person;
beforeAll(async () => {
  app = await testApp({ auth: 'full' });
  await app.db.run({ name: '', text: `insert into organizations (id, name) values ($1, 'Other')` }, [OTHER_ORG]);
  owner = await app.person();
});
afterAll(() => app.close());

const make = async (body: object, headers = owner.headers): Promise<{ id: string; key: string }> => {
  const { json } = await app.call('POST', '/v1/auth/personal-access-tokens', { name: 'x', ...body }, headers);
  return { id: textOf(json['id']), key: textOf(json['key']) };
};
const statusOf = async (path: string, key: string, headers: Record<string, string> = {}): Promise<number> =>
  (await app.call('GET', path, undefined, { authorization: key, ...headers })).status;
const sql = (text: string, values: unknown[] = []) => app.db.run({ name: '', text }, values);

describe('a token in the header', () => {
  test.each([
    (key: string) => `Bearer ${key}`,
    (key: string) => `bearer ${key}`,
    (key: string) => `BEARER   ${key}`,
    (key: string) => `ApiKey ${key}`,
    (key: string) => `apikey ${key}`,
    (key: string) => key,
    (key: string) => `  ${key}  `,
  ])('lets in as %s', async (form) => {
    const { key } = await make({});
    expect(await statusOf('/v1/auth/me', form(key))).toBe(200);
  });

  test.each([
    (key: string) => `Basic ${key}`,
    (key: string) => `Token ${key}`,
    (key: string) => `Bearer ${key} ${key}`,
    (key: string) => `Bearer "${key}"`,
    (key: string) => `Bearer${key}`,
    (key: string) => key.toUpperCase(),
    (key: string) => key.slice(0, -1),
    (key: string) => `${key}0`,
    (key: string) => key.replace(/.$/, (last) => (last === '0' ? '1' : '0')),
    (key: string) => key.slice('evr_pat_'.length),
    (key: string) => key.replace('evr_pat_', 'evr_'),
    () => 'evr_pat_',
    () => 'Bearer ',
    () => `evr_pat_${'0'.repeat(64)}`,
    () => `evr_pat_${'%'.repeat(64)}`,
  ])('does not let in as %s', async (form) => {
    const { key } = await make({});
    expect(await statusOf('/v1/auth/me', form(key))).toBe(401);
  });

  test('is not one in a cookie, in the query, or of the body', async () => {
    const { key } = await make({});
    expect((await app.call('GET', '/v1/auth/me', undefined, { cookie: `access_token=${key}` })).status).toBe(401);
    expect((await app.call('GET', `/v1/auth/me?access_token=${key}`)).status).toBe(401);
  });

  test('speaks in place of a cookie, also when it is worth nothing', async () => {
    const cookie = `access_token=${owner.accessToken}`;
    expect(await statusOf('/v1/auth/me', `evr_pat_${'0'.repeat(64)}`, { cookie })).toBe(401);
  });
});

describe('the scopes of a token', () => {
  test.each<[string[], string, string, number]>([
    [['*'], 'GET', '/v1/agents', 200],
    [['*'], 'POST', '/v1/agents', 201],
    [['*'], 'PATCH', '/v1/users/me', 200],
    [['read'], 'GET', '/v1/agents', 200],
    [['read'], 'POST', '/v1/agents', 403],
    [['read'], 'GET', '/v1/auth/me', 200],
    [['read'], 'PATCH', '/v1/users/me', 403],
    [['org:agents:view'], 'GET', '/v1/agents', 200],
    [['org:agents:view'], 'GET', '/v1/sessions', 403],
    [['org:agents:view'], 'GET', '/v1/orgs', 200],
    [['org:agents:manage'], 'POST', '/v1/agents', 201],
    [['org:agents:manage'], 'GET', '/v1/agents', 403],
    [['org:agents:manage', 'read'], 'GET', '/v1/sessions', 200],
    [['org:api-keys:manage'], 'POST', '/v1/auth/personal-access-tokens', 403],
  ])('%j: %s %s answers %i', async (scopes, method, path, status) => {
    const { key } = await make({ scopes });
    const body = method === 'GET' ? undefined : { name: `agent-${ids.next()}`, system_prompt: 'x' };
    expect((await app.call(method, path, body, { authorization: key })).status).toBe(status);
  });

  test('never give what the role of the moment lacks', async () => {
    const member = await app.person({ role: 'member' });
    const { key } = await make({ scopes: ['org:providers:manage', 'org:providers:view'] }, member.headers);
    expect((await app.call('POST', '/v1/providers', { name: 'x', provider_type: 'openai' }, { authorization: key })).status).toBe(403);
    expect(await statusOf('/v1/providers', key)).toBe(200);
    await sql(`update org_members set role = 'admin' where user_id = $1`, [member.userId]);
    expect((await app.call('POST', '/v1/providers', { name: 'x', provider_type: 'openai' }, { authorization: key })).status).toBe(201);
  });
});

describe('the organization of a token', () => {
  test('is the one that it was made in; any other answers like one that never was', async () => {
    const person = await app.person();
    await joinOrganization(app.db, { orgId: OTHER_ORG, userId: person.userId, role: 'owner' });
    const { key } = await make({}, { ...person.headers, 'x-org-id': DEFAULT });
    expect(await statusOf('/v1/agents', key)).toBe(200);
    expect(await statusOf('/v1/agents', key, { 'x-org-id': DEFAULT })).toBe(200);
    const asked = (org: string) => app.call('GET', '/v1/agents', undefined, { authorization: key, 'x-org-id': org });
    const [other, never] = [await asked(OTHER), await asked(`org_${'e'.repeat(32)}`)];
    expect([other.status, other.text]).toEqual([404, never.text]);
    expect(await statusOf('/v1/agents', key, { cookie: `everruns_org=${OTHER}` })).toBe(200);
    expect((await asked('nonsense')).status).toBe(400);
  });

  test('is chosen with each request when it reaches all of them', async () => {
    const person = await app.person();
    await joinOrganization(app.db, { orgId: OTHER_ORG, userId: person.userId, role: 'owner' });
    const { key } = await make({ all_organizations: true }, person.headers);
    expect((await app.call('GET', '/v1/agents', undefined, { authorization: key })).json['code']).toBe('organization_required');
    for (const org of [DEFAULT, OTHER]) expect(await statusOf('/v1/agents', key, { 'x-org-id': org })).toBe(200);
    expect(await statusOf('/v1/agents', key, { 'x-org-id': `org_${'e'.repeat(32)}` })).toBe(404);
  });
});

describe('a token is over', () => {
  const whole = { all_organizations: true };
  test('when it has expired', async () => {
    const { id, key } = await make({ expires_in_days: 1 });
    expect(await statusOf('/v1/auth/me', key)).toBe(200);
    await sql(`update personal_access_tokens set expires_at = engine_now() where id = $1`, [id]);
    expect(await statusOf('/v1/auth/me', key)).toBe(401);
  });

  test('when it has been revoked, with the tokens that it made', async () => {
    const { id, key } = await make({});
    const child = await make({}, { authorization: key });
    expect((await app.call('DELETE', `/v1/auth/personal-access-tokens/${id}`, undefined, owner.headers)).status).toBe(204);
    expect([await statusOf('/v1/auth/me', key), await statusOf('/v1/auth/me', child.key)]).toEqual([401, 401]);
  });

  test('when its user has left the organization, and in that one alone when it reaches all', async () => {
    const person = await app.person();
    const [bound, free] = [await make({}, person.headers), await make(whole, person.headers)];
    await sql('delete from org_members where user_id = $1', [person.userId]);
    expect(await statusOf('/v1/agents', bound.key)).toBe(401);
    expect(await statusOf('/v1/agents', free.key)).toBe(400);
    expect(await statusOf('/v1/agents', free.key, { 'x-org-id': DEFAULT })).toBe(404);
    expect(await statusOf('/v1/auth/me', free.key)).toBe(200);
  });

  test('when its user is gone', async () => {
    const person = await app.person({ role: null });
    const { key } = await make(whole, person.headers);
    await sql('delete from users where id = $1', [person.userId]);
    expect(await statusOf('/v1/auth/me', key)).toBe(401);
  });

  test('when it is the anonymous user’s, however it came to be', async () => {
    const { text, hash, prefix } = newTokenText();
    const token = { id: ids.next(), userId: ANONYMOUS_USER_ID, orgId: null, madeWith: null, name: 'x', hash, prefix };
    await insertToken(app.db, { ...token, scopes: ['*'], metadata: {}, expiresInSecs: null, limit: 0 });
    expect(await statusOf('/v1/auth/me', text)).toBe(401);
  });

  test('when its service account is removed', async () => {
    const account = (await app.call('POST', '/v1/service-accounts', { name: 'bot', role: 'admin' }, owner.headers)).json;
    const one = `/v1/service-accounts/${textOf(account['id'])}`;
    const key = textOf((await app.call('POST', `${one}/tokens`, { name: 'x' }, owner.headers)).json['key']);
    expect(await statusOf('/v1/agents', key)).toBe(200);
    expect(await statusOf('/v1/agents', key, { 'x-org-id': OTHER })).toBe(404);
    expect((await app.call('POST', '/v1/auth/personal-access-tokens', { name: 'x' }, { authorization: key })).status).toBe(403);
    expect((await app.call('POST', '/v1/service-accounts', { name: 'x', role: 'owner' }, { authorization: key })).status).toBe(403);
    await app.call('DELETE', one, undefined, owner.headers);
    expect(await statusOf('/v1/agents', key)).toBe(401);
  });
});

test('a service account has no way to log in, nor to be written to', async () => {
  const account = (await app.call('POST', '/v1/service-accounts', { name: 'bot' }, owner.headers)).json;
  const id = textOf(account['id']) as Uuid;
  const email = `${id}@service-account.invalid`;
  await sql(`update users set email_verified_at = engine_now() where id = $1`, [id]);
  expect((await app.call('POST', '/v1/auth/login', { email, password: '' })).status).toBe(401);
  await app.call('POST', '/v1/auth/forgot-password', { email });
  await app.call('POST', '/v1/auth/resend-verification', { email });
  await expect(app.identity.logins.open(id, { userAgent: null, ip: '127.0.0.1' })).rejects.toMatchObject({ code: 'unauthenticated' });
  expect(app.mailbox.mails.filter(({ to, text }) => to === email && /reset-password\?token/.test(text))).toEqual([]);
});
