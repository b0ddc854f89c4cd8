import { createIdSource } from '@everruns/contract';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { rowsOf, testApp, textOf } from './testing/test-app.ts';
import type { Answer, TestApp } from './testing/test-app.ts';

/** How the command line and devices get in, and how nobody else does in their place. */

const GRANT = 'urn:ietf:params:oauth:grant-type:device_code';
const ids = createIdSource();
let app: TestApp;
beforeAll(async () => {
  app = await testApp({ auth: 'full', tokens: { perUser: 3 } });
});
afterAll(() => app.close());

const cookie = (accessToken: string) => ({ cookie: `access_token=${accessToken}` });
const start = async (): Promise<Answer> => app.call('POST', '/v1/auth/cli/start', { redirect_port: 45_123 });
async function callback(state: string, headers: Record<string, string> = {}): Promise<{ status: number; to: string }> {
  const response = await fetch(`${app.url}/api/v1/auth/cli/callback?${new URLSearchParams({ state }).toString()}`, {
    headers,
    redirect: 'manual',
  });
  await response.body?.cancel();
  return { status: response.status, to: response.headers.get('location') ?? '' };
}
const exchange = (code: string | null, more: object = {}) => app.call('POST', '/v1/auth/cli/exchange', { code, ...more });
async function code(accessToken: string): Promise<string> {
  const { to } = await callback(textOf((await start()).json['state']), cookie(accessToken));
  return new URL(to).searchParams.get('code') ?? '';
}
const expire = (table: 'cli_logins' | 'device_logins') =>
  app.db.run({ name: '', text: `update ${table} set expires_at = engine_now() - interval '1 second'` });

describe('a login of the command line', () => {
  test('goes through the login page and back to localhost, and ends with a token of every organization', async () => {
    const person = await app.person();
    const started = await start();
    const state = textOf(started.json['state']);
    const url = new URL(textOf(started.json['auth_url']));
    expect(url.href).toBe(`${app.url}/login?${new URLSearchParams({ return_to: `/api/v1/auth/cli/callback?state=${state}` }).toString()}`);
    expect(await callback(state)).toEqual({ status: 302, to: url.href });
    const { status, to } = await callback(state, cookie(person.accessToken));
    const back = new URL(to);
    expect([status, back.origin, back.pathname, back.searchParams.get('state')]).toEqual([
      302,
      'http://localhost:45123',
      '/callback',
      state,
    ]);
    const exchanged = await exchange(back.searchParams.get('code'), { hostname: 'laptop', os: 'linux' });
    expect(exchanged).toMatchObject({
      status: 200,
      json: { user: { id: person.userId, email: person.email }, organizations: [{ name: 'Default', role: 'owner' }] },
    });
    const token = exchanged.json['personal_access_token'] ?? {};
    const metadata = { source: 'cli_login', hostname: 'laptop', os: 'linux', ip: '127.0.0.1' };
    expect(token).toMatchObject({ name: 'Command line on laptop', scopes: ['*'], all_organizations: true, metadata });
    expect(Date.parse(textOf(token['expires_at'])) - Date.now()).toBeGreaterThan(89 * 86_400_000);
    expect((await app.call('GET', '/v1/auth/me', undefined, { authorization: textOf(token['key']) })).json).toMatchObject({
      id: person.userId,
    });
    const [entry] = await app.db.run(
      {
        name: '',
        text: `select actor_user_id, target_id from audit_logs where action = 'auth.personal_access_token.created' and actor_user_id = $1`,
      },
      [person.userId],
    );
    expect(entry).toEqual({ actor_user_id: person.userId, target_id: token['id'] });
  });

  test('gives each code once, also to those who ask at once, and each state to one person', async () => {
    const [ann, bob] = [await app.person(), await app.person()];
    const state = textOf((await start()).json['state']);
    const { to } = await callback(state, cookie(ann.accessToken));
    expect((await callback(state, cookie(bob.accessToken))).status).toBe(400);
    expect((await callback(state, cookie(ann.accessToken))).status).toBe(400);
    const given = new URL(to).searchParams.get('code');
    const statuses = (await Promise.all([1, 2, 3].map(() => exchange(given)))).map(({ status }) => status);
    expect(statuses.toSorted((a, b) => a - b)).toEqual([200, 400, 400]);
    expect((await exchange(given)).json).toMatchObject({ code: 'invalid_login_code' });
    expect((await exchange(state)).status).toBe(400);
  });

  test.each(['never-given', '', 'x'.repeat(300)])('knows no code or state like %j', async (text) => {
    const { accessToken } = await app.person();
    expect((await exchange(text)).status).toBe(400);
    expect((await callback(text, cookie(accessToken))).status).toBe(400);
  });

  test('is over after its time, before and after somebody has come by', async () => {
    const { accessToken } = await app.person();
    const state = textOf((await start()).json['state']);
    const given = await code(accessToken);
    await expire('cli_logins');
    expect((await exchange(given)).status).toBe(400);
    expect((await callback(state, cookie(accessToken))).status).toBe(400);
  });

  test.each([0, -1, 65_536, 80.5, '80', '80@other.example', null])('leads to localhost alone: no port is %j', async (port) => {
    expect((await app.call('POST', '/v1/auth/cli/start', { redirect_port: port })).status).toBe(400);
  });

  test('is for people: no token makes another one this way', async () => {
    const { headers } = await app.person();
    const made = await app.call('POST', '/v1/auth/personal-access-tokens', { name: 'narrow', scopes: ['read'] }, headers);
    const state = textOf((await start()).json['state']);
    expect((await callback(state, { authorization: textOf(made.json['key']) })).status).toBe(403);
  });

  test('asks whoever another site has sent, and lets nothing in before they go on', async () => {
    const { accessToken } = await app.person();
    const state = textOf((await start()).json['state']);
    for (const site of ['cross-site', 'same-site']) {
      const headers = { ...cookie(accessToken), 'sec-fetch-site': site };
      const page = await fetch(`${app.url}/api/v1/auth/cli/callback?state=${state}`, { headers, redirect: 'manual' });
      expect([page.status, page.headers.get('content-security-policy')]).toEqual([200, expect.stringContaining("default-src 'none'")]);
      expect(await page.text()).toContain(`href="/api/v1/auth/cli/callback?state=${state}"`);
    }
    expect((await callback(state, { ...cookie(accessToken), 'sec-fetch-site': 'same-origin' })).to).toContain(
      'http://localhost:45123/callback?code=',
    );
  });

  test('waits for room when there are as many tokens as there may be', async () => {
    const { accessToken, headers } = await app.person();
    const tokens = await Promise.all([1, 2, 3].map(() => app.call('POST', '/v1/auth/personal-access-tokens', { name: 'x' }, headers)));
    const given = await code(accessToken);
    expect((await exchange(given)).json).toMatchObject({ status: 409, code: 'resource_limit_reached' });
    await app.call('DELETE', `/v1/auth/personal-access-tokens/${textOf(tokens[0]?.json['id'])}`, undefined, headers);
    expect((await exchange(given)).status).toBe(200);
  });
});

describe('a device', () => {
  const form = async (path: string, values: Record<string, string>): Promise<Answer> =>
    app.call('POST', path, new URLSearchParams(values).toString(), { 'content-type': 'application/x-www-form-urlencoded' });
  const ask = () => form('/v1/auth/device/code', { client_id: 'everruns', hostname: 'box', os: 'debian' });
  const poll = (device: Answer) => form('/v1/auth/device/token', { grant_type: GRANT, device_code: textOf(device.json['device_code']) });
  const decide = (device: Answer, decision: string, headers: Record<string, string>) =>
    app.call('POST', '/v1/auth/device/decision', { user_code: device.json['user_code'], decision }, headers);

  test('shows a code, waits until somebody lets it in, and gets its token once', async () => {
    const person = await app.person();
    const device = await ask();
    expect(device).toMatchObject({ status: 200, json: { verification_uri: `${app.url}/device`, interval: 5, expires_in: 900 } });
    expect(device.json['user_code']).toMatch(/^[B-DF-HJ-NP-TV-XZ]{4}-[B-DF-HJ-NP-TV-XZ]{4}$/);
    expect(device.json['verification_uri_complete']).toBe(`${app.url}/device?user_code=${textOf(device.json['user_code'])}`);
    expect([await poll(device), await poll(device)]).toMatchObject([
      { status: 400, json: { error: 'authorization_pending' } },
      { status: 400, json: { error: 'slow_down' } },
    ]);
    const typed = textOf(device.json['user_code']).toLowerCase().replace('-', ' ');
    const waiting = await app.call(
      'GET',
      `/v1/auth/device?${new URLSearchParams({ user_code: typed }).toString()}`,
      undefined,
      person.headers,
    );
    expect(waiting.json).toEqual({ user_code: device.json['user_code'], hostname: 'box', os: 'debian', ip: '127.0.0.1' });
    expect((await decide(device, 'approve', person.headers)).status).toBe(204);
    expect((await decide(device, 'deny', person.headers)).status).toBe(404);
    const answers = await Promise.all([1, 2, 3].map(() => poll(device)));
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 400, 400]);
    const granted = answers.find(({ status }) => status === 200);
    expect(granted?.json).toMatchObject({ token_type: 'Bearer', expires_in: 7_776_000, user: { id: person.userId } });
    expect((await poll(device)).json).toMatchObject({ error: 'invalid_grant' });
    const token = textOf(granted?.json['access_token']);
    expect((await app.call('GET', '/v1/auth/me', undefined, { authorization: `Bearer ${token}` })).json).toMatchObject({
      id: person.userId,
    });
  });

  test('is refused for good, and told when its time is over', async () => {
    const { headers } = await app.person();
    const device = await ask();
    await decide(device, 'deny', headers);
    expect((await poll(device)).json).toMatchObject({ error: 'access_denied' });
    expect((await poll(device)).json).toMatchObject({ error: 'invalid_grant' });
    const late = await ask();
    await expire('device_logins');
    expect((await decide(late, 'approve', headers)).status).toBe(404);
    expect((await poll(late)).json).toMatchObject({ error: 'expired_token' });
  });

  test('asks in the one way there is', async () => {
    const device = await ask();
    const other = { grant_type: 'authorization_code', device_code: textOf(device.json['device_code']) };
    expect((await form('/v1/auth/device/token', other)).json).toMatchObject({ error: 'unsupported_grant_type' });
    const json = { grant_type: GRANT, device_code: device.json['device_code'] };
    expect((await app.call('POST', '/v1/auth/device/token', json)).json).toMatchObject({ error: 'authorization_pending' });
    expect((await app.call('POST', '/v1/auth/device/token', { ...json, device_code: ids.next() })).json).toMatchObject({
      error: 'invalid_grant',
    });
    expect((await app.call('POST', '/v1/auth/device/token', { grant_type: GRANT })).status).toBe(400);
  });

  test('is let in by people alone, on purpose', async () => {
    const { headers, accessToken } = await app.person();
    const whole = await app.call('POST', '/v1/auth/personal-access-tokens', { name: 'whole', all_organizations: true }, headers);
    const device = await ask();
    expect((await decide(device, 'approve', { authorization: textOf(whole.json['key']) })).status).toBe(403);
    expect((await decide(device, 'approve', {})).status).toBe(401);
    expect((await decide(device, 'approve', { ...cookie(accessToken), origin: 'https://other.example' })).status).toBe(403);
    expect((await poll(device)).json).toMatchObject({ error: 'authorization_pending' });
    expect((await decide(device, 'maybe', headers)).status).toBe(400);
  });

  test('of a user who is gone gets nothing', async () => {
    const { headers, userId } = await app.person();
    const device = await ask();
    await decide(device, 'approve', headers);
    await app.db.run({ name: '', text: 'delete from org_members where user_id = $1' }, [userId]);
    await app.db.run({ name: '', text: 'delete from users where id = $1' }, [userId]);
    expect((await poll(device)).json).toMatchObject({ error: 'invalid_grant' });
  });
});

test('codes of devices and the start of logins are limited by address', async () => {
  const rates = { ...app.identity.auth.rates, loginsPerMinute: 2, registersPerMinute: 1 };
  const strict = await testApp({ auth: { mode: 'full', rates } });
  try {
    const { headers } = await strict.person();
    const guess = () => strict.call('GET', '/v1/auth/device?user_code=BCDF-GHJK', undefined, headers);
    expect([(await guess()).status, (await guess()).status, (await guess()).status]).toEqual([404, 404, 429]);
    expect((await strict.call('POST', '/v1/auth/cli/start', { redirect_port: 1_024 })).status).toBe(429);
    expect((await strict.call('POST', '/v1/auth/device/code', {})).status).toBe(200);
    expect((await strict.call('POST', '/v1/auth/device/code', {})).status).toBe(429);
  } finally {
    await strict.close();
  }
});

test('where nobody logs in, the command line gets its token all the same', async () => {
  const open = await testApp();
  try {
    const started = await open.call('POST', '/v1/auth/cli/start', { redirect_port: 45_124 });
    const back = await fetch(textOf(started.json['auth_url']), { redirect: 'manual' });
    const given = new URL(back.headers.get('location') ?? '').searchParams.get('code');
    const exchanged = await open.call('POST', '/v1/auth/cli/exchange', { code: given });
    expect(exchanged.json).toMatchObject({ user: { name: 'Anonymous' }, personal_access_token: { all_organizations: true } });
    expect(rowsOf(exchanged.json['organizations'])).toHaveLength(1);
  } finally {
    await open.close();
  }
});
