import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { testApp, textOf } from '../http/testing/test-app.ts';
import type { TestApp } from '../http/testing/test-app.ts';
import type { Person } from '../http/testing/test-identity.ts';
import { agree, formOf, openBrowser } from './testing/browser.ts';
import { authorizeUrl, exchange, refresh, registerClient, sendRegistration } from './testing/plain-client.ts';
import type { PlainClient, TokenAnswer } from './testing/plain-client.ts';

const HTTPS = 'https://client.example/callback';

let app: TestApp;
let ada: Person;
let eve: Person;
let client: PlainClient;
let other: PlainClient;

beforeAll(async () => {
  app = await testApp({ auth: 'full' });
  ada = await app.person({ name: 'Ada' });
  eve = await app.person({ name: 'Eve' });
  client = await registerClient(app.url, HTTPS);
  other = await registerClient(app.url, 'https://other.example/callback');
});
afterAll(() => app.close());

async function code(person = ada, of = client): Promise<string> {
  const back = await agree(openBrowser(app.url, person.accessToken), authorizeUrl(app.url, of));
  return back.searchParams.get('code') ?? '';
}

async function tokens(person = ada, of = client): Promise<{ access: string; refresh: string }> {
  const { json } = await exchange(app.url, of, await code(person, of));
  return { access: json.access_token ?? '', refresh: json.refresh_token ?? '' };
}

async function mcpStatus(authorization: string | undefined, headers: Record<string, string> = {}): Promise<number> {
  const response = await fetch(`${app.url}/mcp`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...headers,
      ...(authorization === undefined ? {} : { authorization }),
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' }),
  });
  return response.status;
}

const isRefused = ({ status, json }: TokenAnswer, error = 'invalid_grant'): void => {
  expect([status, json.error, json.access_token]).toEqual([error === 'invalid_client' ? 401 : 400, error, undefined]);
};
const backdate = (text: string): Promise<unknown> => app.db.run({ name: `backdate_${text}`, text });

describe('codes', () => {
  test('one is good once: shown again, it ends what it gave', async () => {
    const once = await code();
    const first = await exchange(app.url, client, once);
    expect(first.status).toBe(200);
    expect(await mcpStatus(`Bearer ${first.json.access_token}`)).toBe(200);
    isRefused(await exchange(app.url, client, once));
    expect(await mcpStatus(`Bearer ${first.json.access_token}`)).toBe(401);
    isRefused(await refresh(app.url, client, first.json.refresh_token ?? ''));
  });

  test('shown twice at once, at most one gets something, and nothing of it lasts', async () => {
    const twice = await code();
    const answers = await Promise.all([exchange(app.url, client, twice), exchange(app.url, client, twice)]);
    const won = answers.filter(({ status }) => status === 200);
    expect(won.length).toBeLessThanOrEqual(1);
    for (const { json } of won) expect(await mcpStatus(`Bearer ${json.access_token}`)).toBe(401);
  });

  test('another client, a wrong verifier, none, another redirect, another secret and none get nothing', async () => {
    const wanted = await code();
    isRefused(await exchange(app.url, other, wanted, { redirect_uri: HTTPS }));
    isRefused(await exchange(app.url, client, wanted, { code_verifier: 'w'.repeat(64) }));
    isRefused(await exchange(app.url, client, wanted, { code_verifier: undefined }));
    isRefused(await exchange(app.url, client, wanted, { redirect_uri: `${HTTPS}/` }));
    isRefused(await exchange(app.url, client, wanted, { client_secret: other.secret }), 'invalid_client');
    isRefused(await exchange(app.url, client, wanted, { client_secret: undefined }), 'invalid_client');
    isRefused(await exchange(app.url, client, wanted, { resource: 'https://elsewhere.example/mcp' }), 'invalid_target');
  });

  test('one that has run out, or that nobody gave, gets nothing', async () => {
    const late = await code();
    await backdate(`update oauth_tokens set expires_at = engine_now() - interval '1 second' where kind = 'AuthorizationCode'`);
    isRefused(await exchange(app.url, client, late));
    isRefused(await exchange(app.url, client, 'nonsense'));
  });
});

describe('refresh tokens', () => {
  test('each is good once; two at once are one, and the one goes on', async () => {
    const given = await tokens();
    const both = await Promise.all([refresh(app.url, client, given.refresh), refresh(app.url, client, given.refresh)]);
    expect(both.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 400]);
    const won = both.find(({ status }) => status === 200)?.json;
    expect(won?.refresh_token).not.toBe(given.refresh);
    expect((await refresh(app.url, client, won?.refresh_token ?? '')).status).toBe(200);
  });

  test('one that was spent a while ago ends everything that came from it', async () => {
    const given = await tokens();
    const next = (await refresh(app.url, client, given.refresh)).json;
    await backdate(`update oauth_tokens set spent_at = engine_now() - interval '1 minute' where spent_at is not null`);
    isRefused(await refresh(app.url, client, given.refresh));
    expect(await mcpStatus(`Bearer ${next.access_token}`)).toBe(401);
    isRefused(await refresh(app.url, client, next.refresh_token ?? ''));
  });

  test('another client, another resource and a token of another kind get nothing', async () => {
    const given = await tokens();
    isRefused(await refresh(app.url, other, given.refresh));
    isRefused(await refresh(app.url, client, given.access));
    isRefused(await refresh(app.url, client, given.refresh, { resource: `${app.url}/api` }), 'invalid_target');
    expect((await refresh(app.url, client, given.refresh, { resource: `${app.url}/mcp` })).status).toBe(200);
  });
});

describe('where codes are sent', () => {
  test.each([
    ['a slash more', `${HTTPS}/`],
    ['another case', 'https://client.example/Callback'],
    ['a user in front', 'https://client.example@evil.example/callback'],
    ['a user on the same host', 'https://user@client.example/callback'],
    ['another port', 'https://client.example:8443/callback'],
    ['a fragment', `${HTTPS}#x`],
    ['an encoded letter', 'https://client.example/%63allback'],
    ['a query', `${HTTPS}?x=1`],
    ['a path that leads back', 'https://client.example/x/../callback'],
    ['http', 'http://client.example/callback'],
    ['a host below', 'https://client.example.evil.example/callback'],
    ['nothing', null],
  ])('not to %s: the browser stays here', async (_what, uri) => {
    const asked = await openBrowser(app.url, ada.accessToken).get(authorizeUrl(app.url, client, { redirect_uri: uri }));
    expect([asked.status, asked.location]).toEqual([400, null]);
    expect(asked.headers.get('content-type')).toContain('text/html');
    expect(asked.text).not.toMatch(/\bat .*\.js:\d+/);
  });

  test('the loopback may have another port, and nothing else may be another', async () => {
    const native = await registerClient(app.url, 'http://127.0.0.1:1000/callback');
    const browser = openBrowser(app.url, ada.accessToken);
    expect((await browser.get(authorizeUrl(app.url, native, { redirect_uri: 'http://127.0.0.1:2000/callback' }))).status).toBe(303);
    for (const uri of [
      'http://localhost:1000/callback',
      'http://127.0.0.1:2000/other',
      'http://x@127.0.0.1:2000/callback',
      'https://127.0.0.1:1000/callback',
    ]) {
      expect((await browser.get(authorizeUrl(app.url, native, { redirect_uri: uri }))).status).toBe(400);
    }
  });

  test.each([
    ['http elsewhere', { redirect_uris: ['http://client.example/cb'] }, 'invalid_redirect_uri'],
    ['a fragment', { redirect_uris: [`${HTTPS}#x`] }, 'invalid_redirect_uri'],
    ['a user', { redirect_uris: ['https://a:b@client.example/cb'] }, 'invalid_redirect_uri'],
    ['a scheme of its own', { redirect_uris: ['myapp://cb'] }, 'invalid_redirect_uri'],
    ['a script', { redirect_uris: ['javascript:alert(1)'] }, 'invalid_redirect_uri'],
    ['no address', { redirect_uris: ['/cb'] }, 'invalid_redirect_uri'],
    ['a loopback that is none', { redirect_uris: ['http://127.0.0.1.evil.example/cb'] }, 'invalid_redirect_uri'],
    ['a web application on the loopback', { redirect_uris: ['http://localhost/cb'], application_type: 'web' }, 'invalid_redirect_uri'],
    ['none at all', { redirect_uris: [] }, 'invalid_redirect_uri'],
    ['a name that hides characters', { redirect_uris: [HTTPS], client_name: 'Bank\u202e' }, 'invalid_client_metadata'],
    ['another grant', { redirect_uris: [HTTPS], grant_types: ['password'] }, 'invalid_client_metadata'],
    ['another way to show who it is', { redirect_uris: [HTTPS], token_endpoint_auth_method: 'private_key_jwt' }, 'invalid_client_metadata'],
    ['a list', [], 'invalid_client_metadata'],
    ['no JSON', '{', 'invalid_client_metadata'],
  ])('a client with %s is not registered', async (_what, body, error) => {
    const { status, json } = await sendRegistration(app.url, body);
    expect([status, json['error']]).toEqual([400, error]);
  });

  test('what a client says beyond that has no effect, and its secret is shown once and kept as a hash', async () => {
    const { json } = await sendRegistration(app.url, {
      redirect_uris: [HTTPS],
      jwks_uri: `${app.url}/health`,
      client_id: 'mine',
      client_secret: 'mine',
    });
    expect(json).toMatchObject({
      client_id: expect.stringMatching(/^mcp_client_/),
      client_secret: expect.stringMatching(/^mcp_secret_[0-9a-f]{64}$/),
    });
    const rows = await app.db.run<{ text: string }>({
      name: 'clients_text',
      text: 'select to_jsonb(c)::text as text from oauth_clients c',
    });
    expect(rows.map(({ text }) => text).join()).not.toMatch(/mcp_secret_|jwks_uri/);
  });
});

describe('requests that are not as they should be go back to the client with an error', () => {
  test.each([
    ['no challenge', { code_challenge: null, code_challenge_method: null }, 'invalid_request'],
    ['a plain challenge', { code_challenge_method: 'plain' }, 'invalid_request'],
    ['no method, which means plain', { code_challenge_method: null }, 'invalid_request'],
    ['another resource', { resource: 'https://elsewhere.example/mcp' }, 'invalid_target'],
    ['the API as resource', { resource: 'API' }, 'invalid_target'],
    ['a token instead of a code', { response_type: 'token' }, 'unsupported_response_type'],
    ['no question', { prompt: 'none' }, 'consent_required'],
  ])('%s', async (_what, changes, error) => {
    const resource = 'resource' in changes && changes.resource === 'API' ? { resource: `${app.url}/api` } : {};
    const url = authorizeUrl(app.url, client, { ...changes, ...resource, state: 'my-state' });
    const { location } = await openBrowser(app.url, ada.accessToken).get(url);
    const back = new URL(location ?? '');
    const said = new URLSearchParams(back.hash === '' ? back.search : back.hash.slice(1));
    expect([`${back.origin}${back.pathname}`, said.get('error'), said.get('iss'), said.get('state')]).toEqual([
      HTTPS,
      error,
      app.url,
      'my-state',
    ]);
  });

  test('who does not agree is sent back without anything', async () => {
    const back = await agree(openBrowser(app.url, ada.accessToken), authorizeUrl(app.url, client), 'cancel');
    expect([back.searchParams.get('error'), back.searchParams.get('code'), back.searchParams.get('iss')]).toEqual([
      'access_denied',
      null,
      app.url,
    ]);
  });

  test('a client that nobody knows is told nothing to its address', async () => {
    const asked = await openBrowser(app.url, ada.accessToken).get(authorizeUrl(app.url, { ...client, id: 'mcp_client_nobody' }));
    expect([asked.status, asked.location]).toEqual([400, null]);
    const json = await fetch(authorizeUrl(app.url, { ...client, id: 'mcp_client_nobody' }), { headers: { accept: 'application/json' } });
    expect([json.status, json.headers.get('content-type')]).toEqual([400, 'application/problem+json']);
  });
});

describe('consent', () => {
  test('without a login the way leads there and back; the page names the client, its address and the user, and runs nothing', async () => {
    const browser = openBrowser(app.url);
    const started = await browser.get(authorizeUrl(app.url, client));
    const consent = new URL(started.location ?? '').pathname;
    const { location } = await browser.get(consent);
    expect(location).toBe(`/login?return_to=${encodeURIComponent(consent)}`);
    const evil = await registerClient(app.url, 'https://evil.example/cb', { client_name: '<script>alert(1)</script>' });
    const adas = openBrowser(app.url, ada.accessToken);
    const page = await adas.get((await adas.get(authorizeUrl(app.url, evil))).location ?? '');
    expect(page.text).toContain('&lt;script&gt;alert(1)&lt;/script&gt;');
    expect(page.text).not.toContain('<script>');
    for (const part of [evil.id, 'evil.example', ada.email]) expect(page.text).toContain(part);
    expect(page.headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
    expect(page.headers.get('content-security-policy')).toContain("form-action 'self' https://evil.example");
  });

  test('a page that one user was shown is of no use to another, nor without its proof, from another site, or in another browser', async () => {
    const browser = openBrowser(app.url, ada.accessToken);
    const consent = (await browser.get(authorizeUrl(app.url, client))).location ?? '';
    const [action, token] = formOf(await browser.get(consent));
    const approve = { form_token: token, decision: 'approve' };
    const before = await app.rowCounts();
    expect((await browser.post(action, { decision: 'approve' })).status).toBe(403);
    expect((await browser.post(action, { ...approve, form_token: 'x'.repeat(token.length) })).status).toBe(403);
    expect((await browser.post(action, approve, { origin: 'https://evil.example' })).status).toBe(403);
    expect((await browser.post(action, approve, { authorization: `Bearer ${eve.accessToken}` })).status).toBe(403);
    expect((await openBrowser(app.url, eve.accessToken).post(action, approve)).status).toBe(400);
    expect((await openBrowser(app.url, ada.accessToken).post(action, approve)).status).toBe(400);
    expect(await app.rowCounts()).toEqual(before);
    expect((await browser.post(action, approve)).status).toBe(303);
  });

  test('a personal access token lets nobody in', async () => {
    const made = await app.call('POST', '/v1/auth/personal-access-tokens', { name: 'x', all_organizations: true }, ada.headers);
    const browser = openBrowser(app.url);
    const consent = (await browser.get(authorizeUrl(app.url, client))).location ?? '';
    const seen = await browser.post(consent, { decision: 'approve' }, { authorization: `Bearer ${textOf(made.json['key'])}` });
    expect([seen.status, seen.location?.startsWith('/login')]).toEqual([303, true]);
  });
});

describe('what a token opens', () => {
  test('a token of the MCP endpoint opens no REST, and a login opens no MCP', async () => {
    const { access } = await tokens();
    expect(await mcpStatus(`Bearer ${access}`)).toBe(200);
    expect((await app.call('GET', '/v1/auth/me', undefined, { authorization: `Bearer ${access}` })).status).toBe(401);
    expect(await mcpStatus(`Bearer ${ada.accessToken}`)).toBe(401);
    expect(await mcpStatus(undefined, { cookie: `access_token=${ada.accessToken}` })).toBe(401);
    expect(await mcpStatus(`Bearer ${access.slice(0, -1)}${access.endsWith('0') ? 1 : 0}`)).toBe(401);
    expect(await mcpStatus(`Bearer evr_mcr_${access.slice(8)}`)).toBe(401);
  });

  test('a personal access token opens both, until it is removed', async () => {
    const made = await app.call('POST', '/v1/auth/personal-access-tokens', { name: 'y' }, ada.headers);
    const authorization = `Bearer ${textOf(made.json['key'])}`;
    expect(await mcpStatus(authorization)).toBe(200);
    await app.call('DELETE', `/v1/auth/personal-access-tokens/${textOf(made.json['id'])}`, undefined, ada.headers);
    expect(await mcpStatus(authorization)).toBe(401);
  });

  test('one for another resource opens nothing here', async () => {
    const { access } = await tokens();
    await backdate(
      `update oauth_tokens set payload = jsonb_set(payload, '{aud}', '"https://elsewhere.example/mcp"') where kind = 'AccessToken'`,
    );
    expect(await mcpStatus(`Bearer ${access}`)).toBe(401);
  });
});

describe('ending it', () => {
  test('the user sees whom they let in and ends it; another user sees and ends nothing', async () => {
    const { access, refresh: kept } = await tokens(eve);
    const list = async (person: Person) =>
      (await app.call('GET', '/v1/auth/authorized-apps', undefined, person.headers)).json['data'] as unknown as { id: string }[];
    const [mine] = await list(eve);
    expect(mine).toMatchObject({ client_id: client.id, name: 'Plain', redirect_uris: [HTTPS] });
    expect((await list(ada)).map(({ id }) => id)).not.toContain(mine?.id);
    expect((await app.call('DELETE', `/v1/auth/authorized-apps/${mine?.id}`, undefined, ada.headers)).status).toBe(404);
    expect((await app.call('DELETE', `/v1/auth/authorized-apps/${mine?.id}`, undefined, eve.headers)).status).toBe(204);
    expect(await mcpStatus(`Bearer ${access}`)).toBe(401);
    isRefused(await refresh(app.url, client, kept));
    expect(await list(eve)).toEqual([]);
    const audited = await app.db.run<{ action: string }>(
      {
        name: 'audited_grants',
        text: `select action from audit_logs where actor_user_id = $1 and (action like 'oauth.%' or action like '%AuthorizedApp') order by id`,
      },
      [eve.userId],
    );
    expect(audited.map(({ action }) => action)).toEqual(['oauth.grant.created', 'revokeAuthorizedApp']);
  });

  test('what a client never fetched is not there for long', async () => {
    const left = async (): Promise<number> =>
      Number(
        (
          await app.db.run({ name: 'left', text: 'select extract(epoch from max(expires_at) - engine_now())::int as s from oauth_grants' })
        )[0]?.['s'],
      );
    await app.db.run({ name: 'no_grants', text: 'delete from oauth_grants' });
    const waiting = await code();
    expect(await left()).toBeLessThan(1_300);
    await exchange(app.url, client, waiting);
    expect(await left()).toBeGreaterThan(29 * 86_400);
  });

  test('a client gives a token back, and another client cannot', async () => {
    const { access, refresh: kept } = await tokens();
    const revoke = (of: PlainClient): Promise<Response> =>
      fetch(`${app.url}/oauth/revoke`, {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: new URLSearchParams({ token: kept, client_id: of.id, client_secret: of.secret ?? '' }).toString(),
      });
    expect((await revoke(other)).status).toBe(200);
    expect(await mcpStatus(`Bearer ${access}`)).toBe(200);
    expect((await revoke(client)).status).toBe(200);
    expect(await mcpStatus(`Bearer ${access}`)).toBe(401);
  });

  test('with the user, and with the client, goes everything that they gave', async () => {
    const gone = await app.person({ role: null });
    const { access, refresh: kept } = await tokens(gone);
    await app.db.run({ name: 'delete_user', text: 'delete from users where id = $1' }, [gone.userId]);
    expect(await mcpStatus(`Bearer ${access}`)).toBe(401);
    isRefused(await refresh(app.url, client, kept));
  });
});

test('no column of the database holds a code, a token or an id that a browser has', async () => {
  const secret = await code();
  const given = await tokens();
  const browser = openBrowser(app.url, ada.accessToken);
  const uid = new URL((await browser.get(authorizeUrl(app.url, client))).location ?? '').pathname.split('/').at(-1) ?? '';
  const rows = await app.db.run<{ text: string }>({
    name: 'oauth_text',
    text: `select coalesce(string_agg(t, ''), '') as text from (select to_jsonb(o)::text as t from oauth_tokens o union all
      select to_jsonb(g)::text from oauth_grants g union all select to_jsonb(i)::text from oauth_interactions i) x`,
  });
  for (const one of [secret, given.access, given.refresh, uid, client.secret ?? '']) {
    expect(one.length).toBeGreaterThan(20);
    expect(rows[0]?.text).not.toContain(one);
  }
});
