import { afterEach, expect, test } from 'vitest';
import { testApp } from '../http/testing/test-app.ts';
import type { TestApp, TestAppOptions } from '../http/testing/test-app.ts';
import { agree, openBrowser } from './testing/browser.ts';
import { authorizeUrl, exchange, registerClient, sendRegistration } from './testing/plain-client.ts';

let app: TestApp;
const start = async (options: TestAppOptions): Promise<void> => {
  app = await testApp({ auth: 'full', ...options });
};
afterEach(() => app.close());

const get = async (path: string): Promise<{ status: number; json: Record<string, unknown> }> => {
  const response = await fetch(`${app.url}${path}`);
  return { status: response.status, json: (await response.json()) as Record<string, unknown> };
};

async function mcp(token: string, method = 'tools/call', params: object = { name: 'me', arguments: {} }): Promise<Response> {
  return fetch(`${app.url}/mcp`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', authorization: `Bearer ${token}` },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
  });
}

test('behind a proxy that speaks TLS the issuer is the public address, cookies are for TLS alone, and all of it works', async () => {
  const root = 'https://everruns.example';
  await start({ publicUrl: root, browsers: { corsOrigins: [], isHttpsOnly: true } });
  const person = await app.person();
  expect((await get('/.well-known/oauth-authorization-server')).json).toMatchObject({
    issuer: root,
    authorization_endpoint: `${root}/oauth/authorize`,
    code_challenge_methods_supported: ['S256'],
    authorization_response_iss_parameter_supported: true,
  });
  const client = await registerClient(app.url, 'https://client.example/cb');
  const browser = openBrowser(root, person.accessToken, app.url);
  const asked = await browser.get(authorizeUrl(app.url, client));
  expect(asked.location).toMatch(/^https:\/\/everruns\.example\/oauth\/consent\//);
  for (const cookie of asked.headers.getSetCookie()) expect(cookie).toMatch(/; secure; httponly/i);
  expect(asked.headers.get('strict-transport-security')).not.toBeNull();
  const back = await agree(browser, authorizeUrl(app.url, client));
  expect(back.searchParams.get('iss')).toBe(root);
  const { json } = await exchange(app.url, client, back.searchParams.get('code') ?? '', { resource: `${root}/mcp` });
  expect((await mcp(json.access_token ?? '')).status).toBe(200);
});

test.each(['', '/x'])('the prefix %j moves the API and nothing of this', async (apiPrefix) => {
  await start({ apiPrefix });
  const person = await app.person();
  expect((await get('/.well-known/oauth-protected-resource/mcp')).json).toEqual({
    resource: `${app.url}/mcp`,
    resource_name: 'Everruns',
    authorization_servers: [app.url],
    scopes_supported: ['mcp'],
    bearer_methods_supported: ['header'],
  });
  const guide = await (await fetch(`${app.url}/auth.md`)).text();
  for (const part of [`${app.url}/mcp`, `${app.url}${apiPrefix}/v1`, `${app.url}/oauth/register`]) expect(guide).toContain(part);
  expect((await get('/.well-known/mcp/server-card.json')).json).toMatchObject({
    endpoints: [{ url: `${app.url}/mcp`, transport: 'streamable-http' }],
    authentication: { required: true, resource_metadata: `${app.url}/.well-known/oauth-protected-resource/mcp` },
    tools: expect.arrayContaining([expect.objectContaining({ name: 'agent_run' })]),
  });
  for (const path of ['/.well-known/oauth-protected-resource', '/.well-known/openid-configuration', '/jwks', '/oauth/register/x']) {
    expect([path, (await get(path)).status]).toEqual([path, 404]);
  }
  const client = await registerClient(app.url, 'https://client.example/cb');
  const back = await agree(openBrowser(app.url, person.accessToken), authorizeUrl(app.url, client));
  const { json } = await exchange(app.url, client, back.searchParams.get('code') ?? '');
  const me = (await (await mcp(json.access_token ?? '')).json()) as { result: { structuredContent: object } };
  expect(me.result.structuredContent).toMatchObject({ email: person.email });
});

test('clients register five times a minute from one address, and are then told in their own words when to come back', async () => {
  const rates = { loginsPerMinute: 0, registersPerMinute: 0, refreshesPerMinute: 0, clientsPerMinute: 5 };
  await start({ auth: { mode: 'full', rates: { ...rates, accountLogins: 0, accountMailsPerMinute: 0, accountMailsPerDay: 0 } } });
  const body = { redirect_uris: ['https://client.example/cb'] };
  for (let n = 0; n < 5; n++) expect((await sendRegistration(app.url, body)).status).toBe(201);
  const { status, json, headers } = await sendRegistration(app.url, body);
  expect([status, json['error'], typeof json['error_description']]).toEqual([429, 'temporarily_unavailable', 'string']);
  expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
});

test('in mode none everybody may call, with whatever credential', async () => {
  await start({ auth: 'none' });
  const answers = await Promise.all([mcp('anything'), mcp('evr_mcp_nonsense')]);
  expect(answers.map(({ status }) => status)).toEqual([200, 200]);
  expect(await (await fetch(`${app.url}/auth.md`)).text()).toContain('asks nobody');
});
