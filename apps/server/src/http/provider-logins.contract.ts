import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { CLIENT, githubSimulator, googleSimulator } from '../identity/providers/testing/simulators.ts';
import type { GithubSimulator, GoogleSimulator } from '../identity/providers/testing/simulators.ts';
import { testApp } from './testing/test-app.ts';
import type { TestApp } from './testing/test-app.ts';

/** Logins with Google and GitHub, with providers that keep to their protocols and ones that do not. */

let app: TestApp;
let google: GoogleSimulator;
let github: GithubSimulator;
beforeAll(async () => {
  [google, github] = await Promise.all([googleSimulator(), githubSimulator()]);
  app = await start();
});
afterAll(async () => {
  await app.close();
  await Promise.all([google.close(), github.close()]);
});
afterEach(() => {
  google.forge(false);
  google.fail(false);
  github.fail(null);
});

const client = { ...CLIENT, redirectUri: null };
const start = (allowedDomains: string[] = [], auth: object = {}) =>
  testApp({
    auth: { mode: 'full', ...auth },
    loginProviders: { google: { ...client, issuer: google.url, allowedDomains }, github: { ...client, baseUrl: github.url } },
  });

let count = 0;
const newEmail = (): string => `provided${++count}@example.com`;
const claims = (email: string, more: object = {}) => ({ sub: `subject-${email}`, email, email_verified: true, name: 'Ann', ...more });

interface Hop {
  status: number;
  to: URL;
  /** `name=value` of what was set. */
  cookies: string[];
}

async function hop(url: URL | string, cookie = '', at = app): Promise<Hop> {
  const response = await fetch(url instanceof URL ? url : `${at.url}/api${url}`, { headers: { cookie }, redirect: 'manual' });
  await response.body?.cancel();
  const cookies = response.headers.getSetCookie().map((line) => line.split(';')[0] ?? '');
  return { status: response.status, to: new URL(response.headers.get('location') ?? 'none:'), cookies };
}

const begin = (provider: 'google' | 'github', { query = '', at = app } = {}): Promise<Hop> =>
  hop(`/v1/auth/oauth/${provider}${query}`, '', at);

/** To the provider, and back with its code. */
async function come(provider: 'google' | 'github', { query = '', at = app } = {}): Promise<Hop> {
  const begun = await begin(provider, { query, at });
  const simulator = provider === 'google' ? google : github;
  return hop(simulator.agree(begun.to), begun.cookies.join('; '), at);
}
const errorOf = ({ to }: Hop): string => `${to.pathname} ${to.searchParams.get('error') ?? ''}`;
async function emailOf({ cookies }: Hop, at = app): Promise<unknown> {
  return (await at.call('GET', '/v1/auth/me', undefined, { cookie: cookies.join('; ') })).json['email'];
}
const githubPerson = (email: string, more: object = {}) => ({
  id: 1_000 + count,
  login: 'ann',
  name: null,
  emails: [{ email, primary: true, verified: true }],
  ...more,
});

describe('with Google', () => {
  test('somebody new has an account, and is who they were the next time, whatever their address is then', async () => {
    const email = newEmail();
    google.person(claims(email, { email: email.toUpperCase() }));
    const back = await come('google', { query: '?return_to=/device' });
    expect([back.status, back.to.href]).toEqual([302, `${app.url}/device`]);
    expect(await emailOf(back)).toBe(email);
    google.person({ ...claims(email), email: newEmail() });
    expect(await emailOf(await come('google'))).toBe(email);
    const actions = await app.db.run<{ action: string }>(
      {
        name: '',
        text: `select action from audit_logs where actor_user_id = (select id from users where email = $1) order by id`,
      },
      [email],
    );
    expect(actions.map(({ action }) => action)).toEqual(['auth.register.success', 'auth.login.success', 'auth.login.success']);
  });

  test('is asked with everything that binds the answer to the browser', async () => {
    const { to, cookies } = await begin('google');
    const query = to.searchParams;
    expect(to.href.startsWith(`${google.url}/authorize?`)).toBe(true);
    expect(query.get('redirect_uri')).toBe(`${app.url}/api/v1/auth/callback/google`);
    expect([query.get('scope'), query.get('code_challenge_method'), query.get('response_type')]).toEqual([
      'openid email profile',
      'S256',
      'code',
    ]);
    for (const name of ['state', 'nonce', 'code_challenge']) expect(query.get(name)).toHaveLength(43);
    expect(cookies).toHaveLength(1);
    // Nothing of it can be read in the cookie, which is the browser's.
    expect(Buffer.from(cookies[0]?.split('.')[3] ?? '', 'base64url').toString('latin1')).not.toContain(query.get('state'));
    const line = (await fetch(`${app.url}/api/v1/auth/oauth/google`, { redirect: 'manual' })).headers.getSetCookie()[0];
    expect(line).toMatch(/^oauth_state=.+; Max-Age=600; Path=\/; HttpOnly; SameSite=Lax$/);
  });

  test.each([
    ['an address that nobody has verified', { email_verified: false }, 'oauth_not_permitted'],
    ['an address that is said to be verified by a text', { email_verified: 'true' }, 'oauth_not_permitted'],
    ['no address', { email: undefined }, 'oauth_not_permitted'],
    ['another audience', { aud: 'somebody-else' }, 'oauth_failed'],
    ['another issuer', { iss: 'https://accounts.other.example' }, 'oauth_failed'],
    ['another nonce', { nonce: 'of another attempt' }, 'oauth_failed'],
    ['no nonce', { nonce: undefined }, 'oauth_failed'],
    ['a time that is over', { exp: 1_000_000 }, 'oauth_failed'],
    ['no subject', { sub: undefined }, 'oauth_failed'],
  ])('nobody comes in with %s', async (_what, lie, error) => {
    const email = newEmail();
    google.person({ ...claims(email), ...lie });
    const back = await come('google');
    expect(errorOf(back)).toBe(`/login ${error}`);
    expect(back.cookies.filter((cookie) => /^(access|refresh)_token=./.test(cookie))).toEqual([]);
    expect(await app.db.run({ name: '', text: 'select 1 from users where email = $1' }, [email])).toEqual([]);
  });

  test('nobody comes in with a token that it has not signed', async () => {
    google.person(claims(newEmail()));
    google.forge(true);
    expect(errorOf(await come('google'))).toBe('/login oauth_failed');
  });

  test('nobody comes in with a state, a cookie or a code of another attempt, or with any of them twice', async () => {
    google.person(claims(newEmail()));
    const [mine, other] = [await begin('google'), await begin('google')];
    const [cookie, back] = [mine.cookies.join(), google.agree(mine.to)];
    const wrongState = new URL(back);
    wrongState.searchParams.set('state', other.to.searchParams.get('state') ?? '');
    expect(errorOf(await hop(wrongState, cookie))).toBe('/login oauth_failed');
    expect(errorOf(await hop(back, other.cookies.join()))).toBe('/login oauth_failed');
    expect(errorOf(await hop(back))).toBe('/login oauth_failed');
    expect(errorOf(await hop(back, 'oauth_state=forged'))).toBe('/login oauth_failed');
    const atGithub = new URL(back.href.replace('/callback/google', '/callback/github'));
    expect(errorOf(await hop(atGithub, cookie))).toBe('/login oauth_failed');
    const foreignCode = new URL(google.agree(other.to));
    foreignCode.searchParams.set('state', mine.to.searchParams.get('state') ?? '');
    const answers = await Promise.all([hop(back, cookie), hop(back, cookie)]);
    expect(answers.filter(({ to }) => to.pathname === '/welcome')).toHaveLength(1);
    expect(errorOf(await hop(back, cookie))).toBe('/login oauth_failed');
    expect(errorOf(await hop(foreignCode, cookie))).toBe('/login oauth_failed');
    const swapped = await begin('google');
    const stolen = new URL(google.agree(other.to));
    stolen.searchParams.set('state', swapped.to.searchParams.get('state') ?? '');
    expect(errorOf(await hop(stolen, swapped.cookies.join()))).toBe('/login oauth_failed');
  });

  test('whoever cancels is told so, and whoever only says so is not', async () => {
    const begun = await begin('google', { query: '?return_to=/device' });
    const state = begun.to.searchParams.get('state') ?? '';
    const cancel = (with_: string) => new URL(`${app.url}/api/v1/auth/callback/google?error=access_denied&state=${with_}`);
    expect(errorOf(await hop(cancel('other'), begun.cookies.join()))).toBe('/login oauth_failed');
    const back = await hop(cancel(state), begun.cookies.join());
    expect([errorOf(back), back.to.searchParams.get('return_to')]).toEqual(['/login oauth_cancelled', '/device']);
  });
});

describe('with GitHub', () => {
  test('somebody new has an account, and is who they were the next time', async () => {
    const email = newEmail();
    github.person(githubPerson(email));
    const back = await come('github');
    expect(errorOf(back)).toBe('/welcome ');
    expect(await emailOf(back)).toBe(email);
    expect(await emailOf(await come('github'))).toBe(email);
  });

  test.each([
    [
      'an address that nobody has verified',
      { emails: [{ email: 'x@example.com', primary: true, verified: false }] },
      'oauth_not_permitted',
    ],
    [
      'a verified address that is not theirs first of all',
      { emails: [{ email: 'x@example.com', primary: false, verified: true }] },
      'oauth_not_permitted',
    ],
    ['no address', { emails: [] }, 'oauth_not_permitted'],
    ['no number', { id: 'ann' }, 'oauth_failed'],
  ])('nobody comes in with %s', async (_what, lie, error) => {
    github.person({ ...githubPerson(newEmail()), ...lie } as Parameters<typeof github.person>[0]);
    expect(errorOf(await come('github'))).toBe(`/login ${error}`);
  });

  test.each(['/login/oauth/access_token', '/api/v3/user', '/api/v3/user/emails'])('nobody comes in while %s is down', async (path) => {
    github.person(githubPerson(newEmail()));
    github.fail(path);
    expect(errorOf(await come('github'))).toBe('/login oauth_failed');
  });

  test('nobody comes in with a code twice, or with one of another browser', async () => {
    github.person(githubPerson(newEmail()));
    const [mine, other] = [await begin('github'), await begin('github')];
    const stolen = github.agree(other.to);
    stolen.searchParams.set('state', mine.to.searchParams.get('state') ?? '');
    expect(errorOf(await hop(stolen, mine.cookies.join()))).toBe('/login oauth_failed');
    const back = github.agree(other.to);
    expect(errorOf(await hop(back, other.cookies.join()))).toBe('/welcome ');
    expect(errorOf(await hop(back, other.cookies.join()))).toBe('/login oauth_failed');
  });
});

describe('an account that is there already', () => {
  test('is the same with both providers when its address is proven, and its earlier logins end', async () => {
    const person = await app.person();
    google.person(claims(person.email));
    expect(await emailOf(await come('google'))).toBe(person.email);
    expect((await app.call('GET', '/v1/auth/me', undefined, person.headers)).status).toBe(401);
    github.person(githubPerson(person.email, { id: 77 }));
    expect(await emailOf(await come('github'))).toBe(person.email);
    const rows = await app.db.run({ name: '', text: 'select provider from user_identities where user_id = $1 order by 1' }, [
      person.userId,
    ]);
    expect(rows).toEqual([{ provider: 'github' }, { provider: 'google' }]);
  });

  test('is not taken over while nobody has proven its address', async () => {
    const { email, userId } = await app.person({ isVerified: false });
    google.person(claims(email));
    const back = await come('google', { query: '?return_to=/device' });
    expect([errorOf(back), back.to.searchParams.get('return_to')]).toEqual(['/login oauth_account_exists', '/device']);
    expect(await app.db.run({ name: '', text: 'select 1 from user_identities where user_id = $1' }, [userId])).toEqual([]);
  });
});

describe('where only people of some domains come in, and nobody makes an account by themselves', () => {
  let strict: TestApp;
  beforeAll(async () => {
    strict = await start(['corp.example', 'gmail.com'], { hasNewcomers: false, signup: 'closed' });
  });
  afterAll(() => strict.close());

  test('a provider that is down is no dead end, and is asked again the next time', async () => {
    google.fail(true);
    expect(errorOf(await begin('google', { at: strict }))).toBe('/login oauth_failed');
    google.fail(false);
    const begun = await begin('google', { at: strict });
    google.fail(true);
    expect(errorOf(await hop(google.agree(begun.to), begun.cookies.join(), strict))).toBe('/login oauth_failed');
  });

  test.each([
    ['ann@corp.example', 'corp.example', '/welcome '],
    ['bob@gmail.com', undefined, '/welcome '],
    ['carl@corp.example', undefined, '/login oauth_not_permitted'],
    ['dora@corp.example', 'other.example', '/login oauth_not_permitted'],
    ['eve@sub.corp.example', 'sub.corp.example', '/login oauth_not_permitted'],
  ])('%s with the domain %s leads to %s', async (email, hd, outcome) => {
    await strict.person({ email });
    google.person(claims(email, hd === undefined ? {} : { hd }));
    expect(errorOf(await come('google', { at: strict }))).toBe(outcome);
  });

  test('an account has to be there', async () => {
    google.person(claims('new@corp.example', { hd: 'corp.example' }));
    expect(errorOf(await come('google', { at: strict }))).toBe('/login oauth_not_permitted');
  });
});

test('providers that are not offered are not there, and the login page and the configuration name the others', async () => {
  for (const path of ['/v1/auth/oauth/gitlab', '/v1/auth/callback/gitlab?code=x&state=y']) expect((await hop(path)).status).toBe(404);
  expect((await app.call('GET', '/v1/auth/config')).json['oauth_providers']).toEqual(['google', 'github']);
  const page = await (await fetch(`${app.url}/login?return_to=/device`)).text();
  expect(page).toContain('href="/api/v1/auth/oauth/google?return_to=%2Fdevice"');
  expect(page).toContain('Continue with GitHub');
});

test.each(['https://other.example', '//other.example', '/\\other.example'])('nobody is led to %s after a login', async (place) => {
  google.person(claims(newEmail()));
  expect((await come('google', { query: `?return_to=${encodeURIComponent(place)}` })).to.href).toBe(`${app.url}/welcome`);
});
