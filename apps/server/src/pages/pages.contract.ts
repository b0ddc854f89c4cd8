import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createIdSource } from '@everruns/contract';
import { resolveIdentity } from '@everruns/storage';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createMemoryLimiter } from '../limits/memory-limiter.ts';
import { PASSWORD } from '../http/testing/test-identity.ts';
import { textOf, testApp } from '../http/testing/test-app.ts';
import type { TestApp } from '../http/testing/test-app.ts';

/** The pages as a browser sees them: cookies, forms, and nothing that runs. */

let app: TestApp;
beforeAll(async () => {
  app = await testApp({ auth: 'full' });
});
afterAll(() => app.close());

const OWN = { 'sec-fetch-site': 'same-origin' };

interface Seen {
  status: number;
  headers: Headers;
  text: string;
  /** Where it leads, if it does. */
  to: string | null;
  cookies: Map<string, string>;
}

async function seen(response: Response): Promise<Seen> {
  const cookies = new Map(response.headers.getSetCookie().map((line) => [line.split('=')[0] ?? '', line]));
  return { status: response.status, headers: response.headers, text: await response.text(), to: response.headers.get('location'), cookies };
}

const look = async (path: string, headers: Record<string, string> = {}, at = app): Promise<Seen> =>
  seen(await fetch(at.url + path, { headers, redirect: 'manual' }));

async function submit(path: string, values: Record<string, string>, headers: Record<string, string> = OWN, at = app): Promise<Seen> {
  return seen(await fetch(at.url + path, { method: 'POST', body: new URLSearchParams(values), headers, redirect: 'manual' }));
}

const cookieOf = (page: Seen): string => [...page.cookies.values()].map((line) => line.split(';')[0] ?? '').join('; ');
const as = (cookie: string) => ({ 'sec-fetch-site': 'same-origin', cookie });
const login = (email: string, password = PASSWORD, more: Record<string, string> = {}) => submit('/login', { email, password, ...more });
const linkIn = async (email: string, path: string): Promise<string> => {
  await expect.poll(() => app.mailbox.mails.filter(({ to }) => to === email).length).toBeGreaterThan(0);
  const mail = app.mailbox.mails.findLast(({ to, text }) => to === email && text.includes(path));
  return (
    new URL(/https?:\/\/\S+/.exec(mail?.text ?? '')?.[0] ?? '').pathname +
    new URL(/https?:\/\/\S+/.exec(mail?.text ?? '')?.[0] ?? '').search
  );
};

describe('every page', () => {
  test.each([
    '/login',
    '/register',
    '/forgot-password',
    '/resend-verification',
    '/reset-password?token=x',
    '/verify-email?token=x',
    '/cli/login-success',
  ])('%s runs nothing, is in no frame, is kept nowhere, and can be read aloud', async (path) => {
    const page = await look(path);
    expect(page.headers.get('content-security-policy')).toBe(
      "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    );
    expect([page.status, page.headers.get('cache-control'), page.headers.get('content-type')]).toEqual([
      200,
      'no-store',
      'text/html; charset=utf-8',
    ]);
    expect([page.headers.get('x-frame-options'), page.headers.get('x-content-type-options')]).toEqual(['DENY', 'nosniff']);
    expect(page.text).not.toMatch(/<script|<style|\son\w+=|\sstyle=|javascript:/i);
    expect(page.text).toMatch(/^<!doctype html>\s*<html lang="en">/);
    for (const [, id = ''] of page.text.matchAll(/<input\s+id="(\w+)"/g)) expect(page.text).toContain(`<label for="${id}">`);
  });

  test('has one stylesheet, which browsers keep for ever', async () => {
    const path = /href="(\/pages\/[^"]+)"/.exec((await look('/login')).text)?.[1] ?? '';
    const sheet = await look(path);
    expect([sheet.status, sheet.headers.get('content-type')]).toEqual([200, 'text/css; charset=utf-8']);
    expect(sheet.headers.get('cache-control')).toContain('immutable');
    expect((await look('/pages/style-0000000000000000.css')).status).toBe(404);
  });

  test.each([
    [{}],
    [{ origin: 'https://other.example' }],
    [{ origin: 'null' }],
    [{ origin: 'https://other.example', 'sec-fetch-site': 'cross-site' }],
    [{ 'sec-fetch-site': 'cross-site' }],
    [{ 'sec-fetch-site': 'same-site' }],
    [{ 'sec-fetch-site': 'none' }],
  ])('takes no form with %j', async (headers) => {
    const { email } = await app.person();
    const page = await submit('/login', { email, password: PASSWORD }, headers as Record<string, string>);
    expect([page.status, page.cookies.size]).toEqual([403, 0]);
    expect(page.text).toContain('This form can only be sent from its own page');
  });

  test('takes forms of its own origin from browsers that do not say more', async () => {
    const { email } = await app.person();
    expect((await submit('/login', { email, password: PASSWORD }, { origin: app.url })).status).toBe(303);
  });
});

describe('logging in', () => {
  test('gives the cookies and leads to where somebody wanted to go', async () => {
    const { email } = await app.person();
    const page = await login(email, PASSWORD, { return_to: '/sessions?a=b' });
    expect([page.status, page.to]).toEqual([303, '/sessions?a=b']);
    expect(page.cookies.get('access_token')).toMatch(/HttpOnly; SameSite=Lax/);
    expect(page.cookies.get('refresh_token')).toMatch(/HttpOnly; SameSite=Strict/);
    const me = await app.call('GET', '/v1/auth/me', undefined, { cookie: cookieOf(page) });
    expect(me.json).toMatchObject({ email });
    expect((await look('/login?return_to=/device', { cookie: cookieOf(page) })).to).toBe('/device');
  });

  test.each(['https://other.example/', '//other.example', '/\\other.example', '/.//other.example'])(
    'does not lead to %s',
    async (place) => {
      const { email } = await app.person();
      expect((await login(email, PASSWORD, { return_to: place })).to).toBe('/welcome');
      expect((await look(`/login?return_to=${encodeURIComponent(place)}`)).text).not.toContain('other.example');
    },
  );

  test('passes a page on the way to what leads to other origins', async () => {
    const { email } = await app.person();
    const page = await login(email, PASSWORD, { return_to: '/api/v1/auth/cli/callback?state=x&y=z' });
    expect(page.status).toBe(200);
    expect(page.text).toContain('<meta http-equiv="refresh" content="0; url=/api/v1/auth/cli/callback?state=x&amp;y=z" />');
    expect(page.cookies.has('access_token')).toBe(true);
  });

  test('says one thing whatever is wrong, and repeats nothing that could do harm', async () => {
    const { email } = await app.person();
    const [wrong, unknown] = [await login(email, 'wrong'), await login('nobody@example.com', 'wrong')];
    expect([wrong.status, unknown.status]).toEqual([401, 401]);
    expect(unknown.text.replace('nobody@example.com', email)).toBe(wrong.text);
    const hostile = await login('"><script>alert(1)</script>', 'secret-typed-in');
    expect(hostile.status).toBe(400);
    expect(hostile.text).toContain('&quot;&gt;&lt;script&gt;');
    expect(hostile.text).not.toMatch(/<script|secret-typed-in/);
    expect((await look('/login?error=%3Cscript%3E')).text).not.toContain('<script');
  });

  test('is offered only in the ways there are', async () => {
    const page = await look('/login');
    expect(page.text).not.toContain('Continue with');
    expect(page.text).toContain('/register');
    expect((await look('/login?error=oauth_account_exists')).text).toContain('There is an account with this address already');
  });

  test('goes on with the refresh token when the access token has run out, and ends with a logout', async () => {
    const { email } = await app.person();
    const cookie = cookieOf(await login(email));
    const refreshOnly = cookie
      .split('; ')
      .filter((one) => one.startsWith('refresh_token'))
      .join();
    const page = await look('/welcome', { cookie: refreshOnly });
    expect([page.status, page.cookies.has('access_token')]).toEqual([200, true]);
    expect((await look('/welcome', { cookie: refreshOnly })).to).toBe('/login?return_to=%2Fwelcome');
    const renewed = cookieOf(page);
    expect((await submit('/logout', {}, as(renewed))).to).toBe('/login?done=logged_out');
    expect((await look('/welcome', { cookie: renewed })).status).toBe(303);
  });

  test('is for people: a token is let in nowhere', async () => {
    const { headers } = await app.person();
    const made = await app.call('POST', '/v1/auth/personal-access-tokens', { name: 'x' }, headers);
    const token = { authorization: textOf(made.json['key']) };
    for (const path of ['/welcome', '/device', '/invites/x']) expect((await look(path, token)).status).toBe(403);
  });
});

describe('an account', () => {
  test('is made by a form and a link, which works once and only with a click', async () => {
    const form = { name: 'Ann', email: 'ann@example.com', password: PASSWORD };
    const asked = await submit('/register', form);
    const { email: taken } = await app.person();
    const again = await submit('/register', { ...form, email: taken });
    expect(again.text.replace(taken, form.email)).toBe(asked.text);
    expect((await login(form.email)).status).toBe(401);
    const link = await linkIn(form.email, '/verify-email');
    expect((await look(link)).status).toBe(200);
    expect((await look(link)).status).toBe(200);
    const token = new URL(link, app.url).searchParams.get('token') ?? '';
    expect((await submit('/verify-email', { token })).to).toBe('/login?done=verified');
    expect((await submit('/verify-email', { token })).text).toContain('This link cannot be used');
    expect((await login(form.email)).status).toBe(303);
  });

  test('that waits for the proof of its address gets another link, and one that came through a provider a password', async () => {
    const form = { name: 'Cem', email: 'cem@example.com', password: PASSWORD };
    expect((await submit('/register', form)).text).toContain('href="/resend-verification"');
    const first = await linkIn(form.email, '/verify-email');
    await submit('/resend-verification', { email: form.email });
    await expect.poll(async () => linkIn(form.email, '/verify-email')).not.toBe(first);
    const token = new URL(await linkIn(form.email, '/verify-email'), app.url).searchParams.get('token') ?? '';
    expect((await submit('/verify-email', { token })).to).toBe('/login?done=verified');
    expect((await login(form.email)).status).toBe(303);
    const dora = { provider: 'google', subject: 'dora', email: 'dora@example.com', name: 'Dora', avatarUrl: null };
    const welcome = { operatorEmail: null, joinsDefaultOrg: false };
    await resolveIdentity(app.db, dora, { newUserId: createIdSource().next(), admitsNewcomers: true, welcome });
    expect((await login(dora.email)).status).toBe(401);
    await submit('/forgot-password', { email: dora.email });
    const reset = new URL(await linkIn(dora.email, '/reset-password'), app.url).searchParams.get('token') ?? '';
    expect((await submit('/reset-password', { token: reset, password: PASSWORD })).to).toBe('/login?done=reset');
    expect((await login(dora.email)).status).toBe(303);
  });

  test('is told what is wrong with each field', async () => {
    const page = await submit('/register', { name: '', email: 'no', password: 'short' });
    expect(page.status).toBe(400);
    expect(page.text.match(/class="wrong"/g)).toHaveLength(3);
    expect(page.text.match(/aria-invalid="true"/g)).toHaveLength(3);
  });

  test('gets a new password by mail, and whoever asks does not learn whether there is one', async () => {
    const { email, headers } = await app.person();
    const [known, unknown] = [
      await submit('/forgot-password', { email }),
      await submit('/forgot-password', { email: 'nobody@example.com' }),
    ];
    expect(unknown.text.replace('nobody@example.com', email)).toBe(known.text);
    const token = new URL(await linkIn(email, '/reset-password'), app.url).searchParams.get('token') ?? '';
    expect((await submit('/reset-password', { token, password: 'short' })).status).toBe(400);
    expect((await submit('/reset-password', { token, password: 'a new password 1' })).to).toBe('/login?done=reset');
    expect((await submit('/reset-password', { token, password: 'a new password 1' })).text).toContain('This link cannot be used');
    expect((await app.call('GET', '/v1/auth/me', undefined, headers)).status).toBe(401);
    expect((await login(email, 'a new password 1')).status).toBe(303);
  });

  test('without an organization is told what to do, and can make one', async () => {
    const { email } = await app.person({ role: null, name: 'Bob <b>' });
    const cookie = cookieOf(await login(email));
    const page = await look('/welcome', { cookie });
    expect(page.text).toContain('You do not belong to an organization yet');
    expect(page.text).toContain('Hello, Bob &lt;b&gt;');
    expect((await submit('/organizations', { name: ' ' }, as(cookie))).status).toBe(400);
    expect((await submit('/organizations', { name: 'Acme' }, as(cookie))).to).toBe('/welcome');
    expect((await look('/welcome', { cookie })).text).toContain('Acme');
    expect((await submit('/organizations', { name: 'Evil' }, { cookie, origin: 'https://other.example' })).status).toBe(403);
  });

  test('accepts an invitation from its link', async () => {
    const owner = await app.person();
    const invited = await app.person({ role: null });
    const org = textOf((await app.call('POST', '/v1/orgs', { name: 'Inviters' }, owner.headers)).json['id']);
    const asOwner = { ...owner.headers, 'x-org-id': org };
    expect((await app.call('POST', `/v1/orgs/${org}/invites`, { email: invited.email, role: 'member' }, asOwner)).status).toBe(201);
    const link = await linkIn(invited.email, '/invites/');
    expect((await look(link)).to).toBe(`/login?return_to=${encodeURIComponent(link)}`);
    const stranger = cookieOf(await login((await app.person({ role: null })).email));
    expect((await submit(link, {}, as(stranger))).status).toBe(404);
    const cookie = cookieOf(await login(invited.email));
    expect((await look(link, { cookie })).text).toContain(`Join as ${invited.email}`);
    expect((await submit(link, {}, as(cookie))).to).toBe('/welcome');
    expect((await look('/welcome', { cookie })).text).toContain('Inviters');
  });
});

test('who tries too often is told so by a page', async () => {
  const limiter = createMemoryLimiter({ nowMs: () => 0 });
  const rates = { ...app.identity.auth.rates, loginsPerMinute: 1 };
  const strict = await testApp({ auth: { mode: 'full', rates }, limiter });
  try {
    const post = () =>
      fetch(`${strict.url}/login`, {
        method: 'POST',
        body: new URLSearchParams({ email: 'a@example.com', password: 'x' }),
        headers: { 'sec-fetch-site': 'same-origin' },
      });
    expect((await post()).status).toBe(401);
    const refused = await post();
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '60']);
    expect(await refused.text()).toContain('Too many attempts');
  } finally {
    await strict.close();
  }
});

test('where a front end is elsewhere, only the page of the command line is left', async () => {
  const elsewhere = await testApp({ auth: { mode: 'full', frontendUrl: 'https://app.example.com' } });
  try {
    expect((await look('/cli/login-success', {}, elsewhere)).status).toBe(200);
    for (const path of ['/login', '/register', '/device', '/welcome', '/reset-password'])
      expect((await look(path, {}, elsewhere)).status).toBe(404);
  } finally {
    await elsewhere.close();
  }
});

test('people are led to the management interface once it is built, and first to an organization if they have none', async () => {
  const uiDirectory = await mkdtemp(join(tmpdir(), 'everruns-ui-'));
  const built = await testApp({ auth: 'full', uiDirectory });
  try {
    const homeOf = async (email: string) => (await submit('/login', { email, password: PASSWORD }, OWN, built)).to;
    const [member, stranger] = [await built.person(), await built.person({ role: null })];
    expect(await homeOf(member.email)).toBe('/welcome');
    await writeFile(join(uiDirectory, 'index.html'), '<!doctype html><title>built</title>');
    expect([await homeOf(member.email), await homeOf(stranger.email)]).toEqual(['/', '/welcome']);
    expect((await look('/login', { accept: 'text/html' }, built)).text).toContain('<h1>Log in</h1>');
  } finally {
    await built.close();
    await rm(uiDirectory, { recursive: true });
  }
});
