import { afterEach, expect, test } from 'vitest';
import { routesOf, streamsAndMonitoring } from './testing/all-routes.ts';
import type { KnownRoute } from './testing/all-routes.ts';
import { testApp, textOf } from './testing/test-app.ts';
import type { TestApp } from './testing/test-app.ts';

/** Where the API is mounted moves all of it, what leads back to it, and nothing else. */
const UI = 'https://ui.example.com';
const GITHUB = { clientId: 'client', clientSecret: 'secret', redirectUri: null, baseUrl: 'https://github.example.com' };

let app: TestApp;
afterEach(() => app.close());

async function start(apiPrefix: string, auth: object = {}): Promise<KnownRoute[]> {
  const options = { auth: { mode: 'full' as const, ...auth }, loginProviders: { google: null, github: GITHUB } };
  const browsers = { corsOrigins: [UI], isHttpsOnly: true };
  const { started, routes } = await routesOf(() => testApp({ apiPrefix, plugins: streamsAndMonitoring, browsers, ...options }));
  app = started;
  return routes;
}

/** By method and path below the prefix, or below the root. */
function placesOf(routes: readonly KnownRoute[], apiPrefix: string): { api: string[]; root: string[] } {
  const isApi = ({ url }: KnownRoute): boolean => url.startsWith(`${apiPrefix}/v1/`);
  const place = ({ method, url }: KnownRoute, prefix: string): string => `${method} ${url.slice(prefix.length)}`;
  return {
    api: routes
      .filter(isApi)
      .map((route) => place(route, apiPrefix))
      .sort(),
    root: routes
      .filter((route) => !isApi(route))
      .map((route) => place(route, ''))
      .sort(),
  };
}

const MUST_STAY = [
  'GET /.well-known/oauth-authorization-server',
  'GET /.well-known/oauth-protected-resource/mcp',
  'GET /oauth/authorize',
  'POST /oauth/token',
  'POST /oauth/register',
  'POST /mcp',
  'GET /health',
  'GET /api-doc/openapi.json',
  'GET /login',
];

test('whatever API_PREFIX is, the same routes are below it, and the same at the root', async () => {
  const usual = placesOf(await start('/api'), '/api');
  expect(usual.root).toEqual(expect.arrayContaining(MUST_STAY));
  expect(usual.api.length).toBeGreaterThan(200);
  for (const apiPrefix of ['', '/x']) {
    await app.close();
    expect(placesOf(await start(apiPrefix), apiPrefix)).toEqual(usual);
  }
});

test.each(['', '/x'])('with API_PREFIX %j providers, programs and pages lead back below it', async (apiPrefix) => {
  await start(apiPrefix);
  const provider = await fetch(`${app.url}${apiPrefix}/v1/auth/oauth/github`, { redirect: 'manual' });
  const asked = new URL(provider.headers.get('location') ?? '');
  expect(asked.searchParams.get('redirect_uri')).toBe(`${app.url}${apiPrefix}/v1/auth/callback/github`);
  const cli = (await app.call('POST', '/v1/auth/cli/start', { redirect_port: 4_711 })).json;
  const login = new URL(textOf(cli['auth_url']));
  expect(login.origin + login.pathname).toBe(`${app.url}/login`);
  expect(login.searchParams.get('return_to')).toBe(`${apiPrefix}/v1/auth/cli/callback?state=${textOf(cli['state'])}`);
  const { headers } = await app.person();
  const session = textOf((await app.call('POST', '/v1/sessions', {}, headers)).json['id']);
  for (const path of [`/v1/sessions/${session}/sse`, `/v1/sessions/${session}/events`]) {
    const asks = { origin: UI, 'access-control-request-method': 'GET', 'access-control-request-headers': 'authorization, x-org-id' };
    const preflight = await fetch(`${app.url}${apiPrefix}${path}`, { method: 'OPTIONS', headers: asks });
    expect([preflight.status, preflight.headers.get('access-control-allow-origin')]).toEqual([204, UI]);
    expect(preflight.headers.get('access-control-allow-headers')).toContain('x-org-id');
  }
});

test('with a base address of its own the API is where providers lead back to', async () => {
  await start('/x', { baseUrl: 'https://api.example.com/x' });
  const provider = await fetch(`${app.url}/x/v1/auth/oauth/github`, { redirect: 'manual' });
  const asked = new URL(provider.headers.get('location') ?? '');
  expect(asked.searchParams.get('redirect_uri')).toBe('https://api.example.com/x/v1/auth/callback/github');
});

test('every answer has its security headers: of the API, of pages, of the endpoints for programs, and of what is not there', async () => {
  await start('/api');
  for (const path of [
    '/api/v1/agents',
    '/login',
    '/health',
    '/.well-known/oauth-authorization-server',
    '/nowhere',
    '/api/v1/auth/config',
  ]) {
    const { headers } = await fetch(`${app.url}${path}`);
    expect([path, Object.fromEntries(headers)]).toMatchObject([
      path,
      {
        'strict-transport-security': expect.stringMatching(/^max-age=\d{8}/),
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'DENY',
        'content-security-policy': expect.stringMatching(/default-src 'none'.*frame-ancestors 'none'/),
        'referrer-policy': expect.stringMatching(/^(strict-origin-when-cross-origin|same-origin|no-referrer)$/),
      },
    ]);
  }
});
