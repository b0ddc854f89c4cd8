import { DEFAULT_ORG_ID, toPublicId } from '@everruns/contract';
import { createSecretKey } from 'node:crypto';
import { SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PASSWORD } from './testing/test-identity.ts';
import { testApp, textOf } from './testing/test-app.ts';
import type { Answer, TestApp } from './testing/test-app.ts';

let app: TestApp;
let nowMs = Date.now();

beforeAll(async () => {
  app = await testApp({ auth: 'full', now: () => new Date(nowMs) });
});
afterAll(() => app.close());

const bearer = (token: unknown): Record<string, string> => ({ authorization: `Bearer ${textOf(token)}` });
const me = (headers: Record<string, string>): Promise<Answer> => app.call('GET', '/v1/auth/me', undefined, headers);
const login = (email: string, password = PASSWORD): Promise<Answer> => app.call('POST', '/v1/auth/login', { email, password });
const refresh = (token: unknown): Promise<Answer> => app.call('POST', '/v1/auth/refresh', { refresh_token: token });
const cookiesOf = ({ headers }: Answer): string[] => headers.getSetCookie();

describe('a login by password', () => {
  test('answers with a pair of tokens and cookies that pages cannot read', async () => {
    const { email } = await app.person();
    const answer = await login(`  ${email.toUpperCase()} `);
    expect(answer).toMatchObject({ status: 200, json: { token_type: 'Bearer', expires_in: 900 } });
    const { access_token, refresh_token } = answer.json;
    expect(cookiesOf(answer)).toEqual([
      `access_token=${textOf(access_token)}; Max-Age=900; Path=/; HttpOnly; SameSite=Lax`,
      `refresh_token=${textOf(refresh_token)}; Max-Age=2592000; Path=/; HttpOnly; SameSite=Strict`,
    ]);
    expect((await me(bearer(access_token))).json).toMatchObject({
      email,
      email_verified: true,
      roles: ['owner'],
      organizations: [{ public_id: toPublicId('organization', DEFAULT_ORG_ID), role: 'owner' }],
    });
    expect((await me({ cookie: `access_token=${textOf(access_token)}` })).status).toBe(200);
  });

  test('is refused with one text for whatever is wrong', async () => {
    const { email } = await app.person();
    const { email: unproven } = await app.person({ isVerified: false });
    const known = await login(email, 'wrong');
    for (const answer of [
      await login('nobody@example.com'),
      await login(unproven),
      await login(email, 'x'.repeat(1_024)),
      await login(email, ''),
    ]) {
      expect([answer.status, answer.json]).toEqual([401, known.json]);
    }
    expect(known.headers.get('www-authenticate')).toBe('Bearer realm="everruns"');
  });
});

describe('a credential', () => {
  test('comes in the header in any spelling of its scheme, which the cookie cannot speak over', async () => {
    const { accessToken, headers } = await app.person();
    for (const authorization of [`bearer ${accessToken}`, `BEARER   ${accessToken}`])
      expect((await me({ authorization })).status).toBe(200);
    for (const authorization of [accessToken, `Basic ${accessToken}`, `ApiKey ${accessToken}`, 'Bearer', `Bearer ${accessToken}x`, '']) {
      expect((await me({ authorization, cookie: `access_token=${accessToken}` })).status).toBe(401);
    }
    expect((await me({ ...headers, cookie: 'access_token=nonsense' })).status).toBe(200);
    expect((await me({ cookie: 'access_token=nonsense' })).status).toBe(401);
    expect((await me({})).status).toBe(401);
  });

  test('that is forged, of another kind or too old is none', async () => {
    const { userId, accessToken } = await app.person();
    const [, payload = ''] = accessToken.split('.');
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>;
    expect(claims).toMatchObject({ sub: userId, token_type: 'access', name: 'Person', roles: ['owner'] });
    expect(Number(claims['exp']) - Number(claims['iat'])).toBe(900);
    const key = (text = 'a secret of more than thirty-two bytes') => createSecretKey(Buffer.from(text));
    const signed = (own: Record<string, unknown>, secret?: string, alg = 'HS256') =>
      new SignJWT({ ...claims, ...own }).setProtectedHeader({ alg }).sign(key(secret));
    expect((await me(bearer(await signed({})))).status).toBe(200);
    const unsigned = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${payload}.`;
    const other = await app.person();
    const forged = [
      unsigned,
      await signed({}, 'another secret of more than thirty-two bytes'),
      await signed({}, 'a secret of more than thirty-two bytes, here for its sixty-four bytes', 'HS512'),
      await signed({ token_type: 'mcp_access' }),
      await signed({ token_type: undefined }),
      await signed({ sub: other.userId }),
      await signed({ sid: 'x' }),
      await signed({ sid: undefined }),
      await signed({ exp: undefined }),
      await signed({ exp: Math.floor(nowMs / 1_000) - 1 }),
    ];
    for (const token of forged) expect((await me(bearer(token))).status).toBe(401);
    nowMs += 901_000;
    expect((await me(bearer(accessToken))).status).toBe(401);
  });

  test('says nothing of its user: rename, role, rights and removal show with the next request', async () => {
    const { userId, headers } = await app.person({ role: 'member' });
    const create = (name: string) => app.call('POST', '/v1/providers', { name, provider_type: 'openai' }, headers);
    expect((await create('one')).status).toBe(403);
    await app.db.run({ name: 't_role', text: `update org_members set role = 'admin' where user_id = $1` }, [userId]);
    expect((await create('two')).status).toBe(201);
    await app.db.run({ name: 't_leave', text: 'delete from org_members where user_id = $1' }, [userId]);
    expect(await create('three')).toMatchObject({ status: 400, json: { code: 'organization_required' } });
    await app.db.run({ name: 't_name', text: `update users set name = 'Renamed' where id = $1` }, [userId]);
    expect((await me(headers)).json).toMatchObject({ name: 'Renamed', roles: [], organizations: [] });
    await app.db.run({ name: 't_gone', text: 'delete from users where id = $1' }, [userId]);
    expect((await me(headers)).status).toBe(401);
  });

  test('costs one statement of a request', async () => {
    const { headers } = await app.person();
    const seen: string[] = [];
    const run = app.db.run.bind(app.db);
    app.db.run = ((statement, values) => {
      seen.push(statement.name);
      return run(statement, values);
    }) as typeof run;
    await app.call('GET', '/v1/agents?limit=1', undefined, { ...headers, 'x-org-id': toPublicId('organization', DEFAULT_ORG_ID) });
    app.db.run = run;
    expect(seen.filter((name) => name.startsWith('identity') || name.startsWith('user') || name.startsWith('org'))).toEqual([
      'identity_of_login',
    ]);
  });
});

describe('a refresh', () => {
  test('spends its token for a new pair, by body or by cookie of our own pages', async () => {
    const { refreshToken, accessToken } = await app.person();
    const first = await refresh(refreshToken);
    expect(first).toMatchObject({ status: 200, json: { token_type: 'Bearer', expires_in: 900 } });
    expect(cookiesOf(first)).toHaveLength(2);
    const cookie = { cookie: `refresh_token=${textOf(first.json['refresh_token'])}` };
    const foreign = await app.call('POST', '/v1/auth/refresh', {}, { ...cookie, origin: 'https://evil.example.com' });
    expect(foreign).toMatchObject({ status: 403, json: { code: 'forbidden' } });
    const second = await app.call('POST', '/v1/auth/refresh', undefined, { ...cookie, origin: app.url });
    expect(second.status).toBe(200);
    for (const token of [accessToken, first.json['access_token'], second.json['access_token']])
      expect((await me(bearer(token))).status).toBe(200);
  });

  test('of two at once, one gets the pair', async () => {
    let { refreshToken } = await app.person();
    for (let n = 0; n < 25; n++) {
      const answers = await Promise.all([refresh(refreshToken), refresh(refreshToken)]);
      expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 401]);
      refreshToken = textOf(answers.find(({ status }) => status === 200)?.json['refresh_token']);
    }
  });

  test('with a token that was spent long ago ends the login: two have it', async () => {
    const { refreshToken } = await app.person();
    const next = await refresh(refreshToken);
    expect((await refresh(refreshToken)).status).toBe(401);
    expect((await me(bearer(next.json['access_token']))).status).toBe(200);
    await app.db.run({
      name: 't_spent',
      text: `update refresh_tokens set spent_at = spent_at - interval '31 s' where spent_at is not null`,
    });
    expect((await refresh(refreshToken)).status).toBe(401);
    expect((await me(bearer(next.json['access_token']))).status).toBe(401);
    expect((await refresh(next.json['refresh_token'])).status).toBe(401);
  });

  test.each([[undefined], [''], ['nonsense'], ['x'.repeat(1_024)]])('without a token that is one (%#) is refused', async (token) => {
    expect((await refresh(token)).status).toBe(401);
  });
});

describe('a logout', () => {
  test('ends the login at once, for every token of it, and clears the cookies', async () => {
    const { accessToken, refreshToken, headers } = await app.person();
    const other = await login((await me(headers)).json['email'] as unknown as string);
    const answer = await app.call('POST', '/v1/auth/logout', undefined, headers);
    expect(answer).toMatchObject({ status: 200, json: { ok: true } });
    const cleared = cookiesOf(answer).map((cookie) => cookie.split(';')[0]);
    expect(cleared).toEqual(['access_token=', 'refresh_token=', 'everruns_org=']);
    expect((await me({ cookie: `access_token=${accessToken}` })).status).toBe(401);
    expect((await refresh(refreshToken)).status).toBe(401);
    expect((await me(bearer(other.json['access_token']))).status).toBe(200);
  });

  test('works with the refresh token alone, and is a logout without any credential', async () => {
    const { refreshToken, headers } = await app.person();
    await app.call('POST', '/v1/auth/logout', {}, { cookie: `refresh_token=${refreshToken}` });
    expect((await me(headers)).status).toBe(401);
    expect((await app.call('POST', '/v1/auth/logout')).status).toBe(200);
    expect((await app.call('POST', '/v1/auth/logout', undefined, headers)).status).toBe(200);
  });
});

describe('pages of other origins', () => {
  test('change nothing with the cookie of their visitor', async () => {
    const { accessToken } = await app.person();
    const rename = (headers: Record<string, string>): Promise<Answer> =>
      app.call('PATCH', '/v1/users/me', { name: 'New' }, { cookie: `access_token=${accessToken}`, ...headers });
    for (const headers of [
      { origin: 'https://evil.example.com' },
      { origin: 'null' },
      { origin: `${app.url}.evil.example.com` },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
    ]) {
      expect([headers, (await rename(headers as Record<string, string>)).status]).toEqual([headers, 403]);
    }
    for (const headers of [{ origin: app.url }, {}, { 'sec-fetch-site': 'same-origin' }]) {
      expect((await rename(headers as Record<string, string>)).status).toBe(200);
    }
    expect(
      (await app.call('PATCH', '/v1/users/me', { name: 'New' }, { ...bearer(accessToken), origin: 'https://evil.example.com' })).status,
    ).toBe(200);
  });
});

test('pages of other origins log nobody in as somebody else: what a form can send is no login', async () => {
  const { email } = await app.person();
  const json = JSON.stringify({ email, password: PASSWORD });
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x']) {
    const body = type.includes('urlencoded') ? new URLSearchParams({ email, password: PASSWORD }).toString() : json;
    const answer = await app.call('POST', '/v1/auth/login', body, { 'content-type': type, origin: 'https://evil.example.com' });
    expect([type, answer.status, answer.headers.getSetCookie()]).toEqual([type, 415, []]);
  }
});

describe('the organization of a request', () => {
  test('is the one of the header, else of the cookie, else the only one; a foreign one is missing', async () => {
    const other = '00000000-0000-0000-0000-0000000000aa';
    const foreign = '00000000-0000-0000-0000-0000000000ab';
    await app.db.run({ name: 't_orgs', text: `insert into organizations (id, name) values ($1, 'Other'), ($2, 'Foreign')` }, [
      other,
      foreign,
    ]);
    const { userId, headers } = await app.person({ role: 'member' });
    const [own, second, third] = [DEFAULT_ORG_ID, other, foreign].map((id) => toPublicId('organization', id)) as [string, string, string];
    const roles = async (more: Record<string, string>) => (await me({ ...headers, ...more })).json['roles'];
    expect(await roles({})).toEqual(['member']);
    await app.db.run({ name: 't_join', text: `insert into org_members (org_id, user_id, role) values ($1, $2, 'owner')` }, [other, userId]);
    expect(await roles({})).toEqual([]);
    expect(await app.call('GET', '/v1/agents', undefined, headers)).toMatchObject({ status: 400, json: { code: 'organization_required' } });
    expect(await roles({ 'x-org-id': second })).toEqual(['owner']);
    expect(await roles({ cookie: `everruns_org=${second}` })).toEqual(['owner']);
    expect(await roles({ cookie: `everruns_org=${second}`, 'x-org-id': own })).toEqual(['member']);
    for (const stale of [third, 'nonsense']) expect(await roles({ cookie: `everruns_org=${stale}` })).toEqual([]);
    const missing = await me({ ...headers, 'x-org-id': toPublicId('organization', '00000000-0000-0000-0000-0000000000ff') });
    const notMine = await me({ ...headers, 'x-org-id': third });
    expect([notMine.status, notMine.json]).toEqual([404, missing.json]);
    expect(await me({ ...headers, 'x-org-id': 'nonsense' })).toMatchObject({ status: 400, json: { code: 'malformed_id' } });
  });
});

test('what came of a login stands in the audit log, and nothing secret', async () => {
  const { userId, email } = await app.person();
  await login(email, 'wrong');
  await login(email);
  const rows = await app.db.run({
    name: 't_audit',
    text: `select * from audit_logs where action like 'auth.login%' order by id desc limit 2`,
  });
  expect(rows).toMatchObject([
    { action: 'auth.login.success', actor_user_id: userId, credential_kind: 'login' },
    { action: 'auth.login.failure', actor_user_id: null },
  ]);
  expect(JSON.stringify(rows)).not.toContain(email);
});
