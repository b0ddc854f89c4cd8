import { DEFAULT_ORG_ID } from '@everruns/contract';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Mail } from '../identity/mail/transport.ts';
import { PASSWORD } from './testing/test-identity.ts';
import type { TestAuth } from './testing/test-identity.ts';
import { testApp, textOf } from './testing/test-app.ts';
import type { Answer, TestApp } from './testing/test-app.ts';

/** Mode `full` is shared, each test with addresses of its own; other settings have an application of their own. */
let full: TestApp;
let app: TestApp;
beforeAll(async () => {
  full = await testApp({ auth: 'full' });
});
beforeEach(() => {
  app = full;
});
afterEach(async () => {
  if (app !== full) await app.close();
});
afterAll(() => full.close());

async function start(auth: TestAuth): Promise<void> {
  app = await testApp({ auth });
}
const post = (path: string, body: unknown): Promise<Answer> => app.call('POST', `/v1/auth/${path}`, body);
const login = (email: string, password = PASSWORD): Promise<Answer> => post('login', { email, password });
const register = (email: string, password = PASSWORD, name = 'New'): Promise<Answer> => post('register', { email, password, name });

/** What has been sent to the address so far, oldest first. */
async function mailsTo(email: string): Promise<Mail[]> {
  await app.identity.outbox?.settled();
  return app.mailbox.mails.filter(({ to }) => to === email);
}
function tokenIn(mail: Mail | undefined, page: string): string {
  const link = new RegExp(`${app.url}/${page}\\?token=([0-9a-f]{64})\\n`).exec(mail?.text ?? '');
  return textOf(link?.[1]);
}

describe('who signs up where addresses have to be proven', () => {
  test('has an account once the link of the mail is used, which works once, and belongs to no organization', async () => {
    expect(await register(' New@Example.com ')).toMatchObject({ status: 200, json: { ok: true } });
    const [mail] = await mailsTo('new@example.com');
    expect(mail?.subject).toBe('Confirm your e-mail address');
    expect((await login('new@example.com')).status).toBe(401);
    const token = tokenIn(mail, 'verify-email');
    const answers = await Promise.all([post('verify-email', { token }), post('verify-email', { token })]);
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 400]);
    const { status, json } = await login('new@example.com');
    expect(status).toBe(200);
    const me = await app.call('GET', '/v1/auth/me', undefined, { authorization: `Bearer ${textOf(json['access_token'])}` });
    expect(me.json).toMatchObject({ email: 'new@example.com', name: 'New', email_verified: true, roles: [], organizations: [] });
  });

  test('with an address that has an account gets the same answer, and a mail that says so', async () => {
    const { email } = await app.person();
    const [taken, free] = [await register(email), await register('free@example.com')];
    expect([taken.status, taken.json]).toEqual([free.status, free.json]);
    expect((await mailsTo(email)).map(({ subject, text }) => [subject, text.includes('token=')])).toEqual([
      ['You have an account already', false],
    ]);
    expect((await login(email)).status).toBe(200);
  });

  test('gets the password of the registration that was confirmed, whoever else has tried the address', async () => {
    await register('ann@example.com', 'the password of Ann 1');
    await register('ann@example.com', 'of somebody else 1');
    const [first, second] = await mailsTo('ann@example.com');
    expect((await post('verify-email', { token: tokenIn(first, 'verify-email') })).status).toBe(200);
    expect(await post('verify-email', { token: tokenIn(second, 'verify-email') })).toMatchObject({
      status: 400,
      json: { code: 'invalid_account_token' },
    });
    expect((await login('ann@example.com', 'of somebody else 1')).status).toBe(401);
    expect((await login('ann@example.com', 'the password of Ann 1')).status).toBe(200);
  });

  test('can have the mail sent again', async () => {
    await register('bob@example.com');
    await post('resend-verification', { email: 'Bob@example.com' });
    const [, again] = await mailsTo('bob@example.com');
    await post('verify-email', { token: tokenIn(again, 'verify-email') });
    expect((await login('bob@example.com')).status).toBe(200);
    await post('resend-verification', { email: 'bob@example.com' });
    await post('resend-verification', { email: 'nobody@example.com' });
    expect(await mailsTo('bob@example.com')).toHaveLength(2);
    expect(await mailsTo('nobody@example.com')).toEqual([]);
  });

  test('is the operator when the address is theirs and proven, and joins the default organization where everybody does', async () => {
    await start({ mode: 'full', admin: { email: 'boss@example.com', password: null }, joinsDefaultOrg: true });
    for (const email of ['boss@example.com', 'ann@example.com']) {
      await register(email);
      await post('verify-email', { token: tokenIn((await mailsTo(email))[0], 'verify-email') });
    }
    const rows = await app.db.run({
      name: 't_members',
      text: `select u.email, u.is_platform_user, m.role, m.org_id from users u join org_members m on m.user_id = u.id where kind = 'person' and email <> 'anonymous@local' order by 1`,
    });
    expect(rows).toEqual([
      { email: 'ann@example.com', is_platform_user: false, role: 'member', org_id: DEFAULT_ORG_ID },
      { email: 'boss@example.com', is_platform_user: true, role: 'owner', org_id: DEFAULT_ORG_ID },
    ]);
  });
});

describe('a new password', () => {
  test.each([
    ['short 1', /12 to 128/],
    ['no digit in this one', /digit/],
    ['1'.repeat(129), /12 to 128/],
    ['1'.repeat(100_000), /12 to 128/],
  ])('has rules, and is refused before anything is hashed (%#)', async (password, text) => {
    for (const answer of [await register('a@example.com', password), await post('reset-password', { token: 'x', password })]) {
      expect(answer).toMatchObject({
        status: 400,
        json: { code: 'invalid_request', field: 'password', detail: expect.stringMatching(text) as unknown },
      });
    }
  });
  test('is counted in characters, not in bytes', async () => {
    for (const password of [`${'🔑'.repeat(127)}1`, `${'é'.repeat(11)}1`])
      expect((await register('a@example.com', password)).status).toBe(200);
    expect((await register('a@example.com', `${'🔑'.repeat(10)}1`)).status).toBe(400);
  });
});

describe('who has forgotten the password', () => {
  test('sets a new one by the link, once; every login ends, and the address is proven', async () => {
    const { email, headers, refreshToken } = await app.person({ isVerified: false });
    expect(await post('forgot-password', { email })).toMatchObject({ status: 200, json: { ok: true } });
    const token = tokenIn((await mailsTo(email))[0], 'reset-password');
    expect((await post('verify-email', { token })).status).toBe(400);
    const reset = (password: string): Promise<Answer> => post('reset-password', { token, password });
    expect((await reset('short')).status).toBe(400);
    expect(await reset('a new password 1')).toMatchObject({ status: 200, json: { ok: true } });
    expect(await reset('another password 1')).toMatchObject({ status: 400, json: { code: 'invalid_account_token' } });
    expect((await app.call('GET', '/v1/auth/me', undefined, headers)).status).toBe(401);
    expect((await post('refresh', { refresh_token: refreshToken })).status).toBe(401);
    expect((await login(email)).status).toBe(401);
    expect((await login(email, 'a new password 1')).status).toBe(200);
  });

  test('has an hour for it, and a day to prove an address', async () => {
    const { email } = await app.person();
    await post('forgot-password', { email });
    await register('late@example.com');
    const reset = tokenIn((await mailsTo(email))[0], 'reset-password');
    const verify = tokenIn((await mailsTo('late@example.com'))[0], 'verify-email');
    const age = (interval: string) =>
      app.db.run({ name: `t_age_${interval}`, text: `update account_tokens set expires_at = expires_at - interval '${interval}'` });
    await age('59 minutes');
    expect((await post('reset-password', { token: 'x', password: PASSWORD })).status).toBe(400);
    await age('2 minutes');
    expect((await post('reset-password', { token: reset, password: PASSWORD })).status).toBe(400);
    await age('22 hours 58 minutes');
    expect((await post('verify-email', { token: verify })).status).toBe(200);
  });

  test('gets no mail without an account, and none of a service gets one', async () => {
    const text = `insert into users (id, email, name, kind) values (uuidv7(), 'robot@example.com', 'Robot', 'service')`;
    await app.db.run({ name: 't_robot', text });
    for (const email of ['nobody@example.com', 'robot@example.com', 'anonymous@local']) {
      expect((await post('forgot-password', { email })).status).toBe(200);
      expect((await login(email, '')).status).toBe(401);
    }
    for (const email of ['nobody@example.com', 'robot@example.com', 'anonymous@local']) expect(await mailsTo(email)).toEqual([]);
    expect((await login('anonymous@local')).status).toBe(401);
  });
});

describe('where addresses need no proof', () => {
  test('an account exists at once and is logged in; the address can be proven later', async () => {
    await start({ mode: 'full', signup: 'open', joinsDefaultOrg: true });
    const made = await register('new@example.com');
    expect(made).toMatchObject({ status: 201, json: { token_type: 'Bearer' } });
    expect(made.headers.getSetCookie()).toHaveLength(2);
    const headers = { authorization: `Bearer ${textOf(made.json['access_token'])}` };
    const me = async () => (await app.call('GET', '/v1/auth/me', undefined, headers)).json;
    expect(await me()).toMatchObject({ email_verified: false, roles: ['member'] });
    expect(await register('new@example.com')).toMatchObject({ status: 409, json: { code: 'email_taken' } });
    await post('verify-email', { token: tokenIn((await mailsTo('new@example.com'))[0], 'verify-email') });
    expect(await me()).toMatchObject({ email_verified: true });
  });

  test('the address of the operator gives no rights until it is proven', async () => {
    await start({ mode: 'full', signup: 'open', admin: { email: 'boss@example.com', password: null } });
    const made = await register('boss@example.com');
    const durable = () => app.call('GET', '/v1/auth/me', undefined, { authorization: `Bearer ${textOf(made.json['access_token'])}` });
    expect((await durable()).json).toMatchObject({ roles: [] });
    await post('verify-email', { token: tokenIn((await mailsTo('boss@example.com'))[0], 'verify-email') });
    expect((await durable()).json).toMatchObject({ roles: ['owner'] });
  });
});

describe('mode admin', () => {
  test('knows one person, whose account is made when they first come', async () => {
    await start('admin');
    expect((await login('admin@example.com', 'wrong')).status).toBe(401);
    expect((await login('ann@example.com')).status).toBe(401);
    const { json } = await login('ADMIN@example.com');
    const headers = { authorization: `Bearer ${textOf(json['access_token'])}` };
    const { json: me } = await app.call('GET', '/v1/auth/me', undefined, headers);
    expect(me).toMatchObject({ email: 'admin@example.com', name: 'admin', roles: ['owner'], email_verified: true });
    const again = await login('admin@example.com');
    expect(
      (await app.call('GET', '/v1/auth/me', undefined, { authorization: `Bearer ${textOf(again.json['access_token'])}` })).json['id'],
    ).toBe(me['id']);
    const other = await app.person();
    expect((await app.call('GET', '/v1/auth/me', undefined, other.headers)).status).toBe(401);
    for (const path of ['forgot-password', 'register']) {
      const body = { email: 'admin@example.com', password: PASSWORD, name: 'x' };
      expect((await post(path, body)).status).toBe(403);
    }
  });
});

test.each([
  ['none', { mode: 'none', password_auth_enabled: false, oauth_providers: [], signup_enabled: false }],
  ['admin', { mode: 'admin', password_auth_enabled: true, oauth_providers: [], signup_enabled: false, password_recovery_enabled: false }],
  [
    'full',
    {
      mode: 'full',
      password_auth_enabled: true,
      oauth_providers: [],
      signup_enabled: true,
      signup_email_confirm: true,
      password_recovery_enabled: true,
    },
  ],
] as const)('in mode %s the login page and the liveness say so', async (mode, config) => {
  if (mode !== 'full') await start(mode);
  expect((await app.call('GET', '/v1/auth/config')).json).toEqual(config);
  expect(await (await fetch(`${app.url}/health`)).json()).toMatchObject({ auth_mode: mode });
});

test('in mode none nobody logs in, and whatever credential comes along is the anonymous administrator', async () => {
  await start('none');
  expect(await login('a@example.com')).toMatchObject({ status: 403, json: { code: 'login_not_offered' } });
  expect(await register('a@example.com')).toMatchObject({ status: 403, json: { code: 'signup_closed' } });
  for (const authorization of ['fake-key', 'Bearer x.y.z', 'evr_pat_1']) {
    const { json } = await app.call('GET', '/v1/auth/me', undefined, { authorization });
    expect(json).toMatchObject({ name: 'Anonymous' });
    expect(json).not.toHaveProperty('email_verified');
  }
});
