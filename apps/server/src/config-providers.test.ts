import { expect, test } from 'vitest';
import { ConfigError, loadConfig } from './config.ts';

/** Where else people log in, as the environment says it. */

const FULL = {
  DATABASE_URL: 'postgres://localhost/x',
  AUTH_MODE: 'full',
  AUTH_JWT_SECRET: 'a secret of more than thirty-two bytes',
  WORKER_GRPC_AUTH_TOKEN: 'token',
};
const GOOGLE = { AUTH_GOOGLE_CLIENT_ID: 'id', AUTH_GOOGLE_CLIENT_SECRET: 'secret' };
const GITHUB = { AUTH_GITHUB_CLIENT_ID: 'id', AUTH_GITHUB_CLIENT_SECRET: 'secret' };

function problemsOf(env: Record<string, string>): readonly string[] {
  try {
    loadConfig({ ...FULL, ...env });
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

test('nobody logs in elsewhere until there is a client', () => {
  expect(loadConfig(FULL).loginProviders).toEqual({ google: null, github: null });
});

test('a client is at the provider itself unless something else is said', () => {
  const client = { clientId: 'id', clientSecret: 'secret', redirectUri: null };
  expect(loadConfig({ ...FULL, ...GOOGLE, ...GITHUB }).loginProviders).toEqual({
    google: { ...client, issuer: 'https://accounts.google.com', allowedDomains: [] },
    github: { ...client, baseUrl: 'https://github.com' },
  });
  const moved = loadConfig({
    ...FULL,
    ...GOOGLE,
    ...GITHUB,
    AUTH_GOOGLE_ALLOWED_DOMAINS: ' Corp.Example, other.example,',
    AUTH_GOOGLE_REDIRECT_URI: 'https://api.example.com/cb',
    AUTH_GITHUB_BASE_URL: 'https://git.corp.example/',
  }).loginProviders;
  expect(moved.google).toMatchObject({ allowedDomains: ['corp.example', 'other.example'], redirectUri: 'https://api.example.com/cb' });
  expect(moved.github).toMatchObject({ baseUrl: 'https://git.corp.example' });
});

test.each<[Record<string, string>, string]>([
  [{ AUTH_GOOGLE_CLIENT_ID: 'id' }, 'AUTH_GOOGLE_CLIENT_SECRET: required with AUTH_GOOGLE_CLIENT_ID'],
  [{ AUTH_GITHUB_CLIENT_SECRET: 'secret' }, 'AUTH_GITHUB_CLIENT_ID: required with AUTH_GITHUB_CLIENT_SECRET'],
  [{ ...GOOGLE, AUTH_GOOGLE_ALLOWED_DOMAINS: '*' }, 'AUTH_GOOGLE_ALLOWED_DOMAINS: expected domains such as example.com'],
  [{ ...GOOGLE, AUTH_GOOGLE_ISSUER_URL: 'http://idp.example.com' }, 'AUTH_GOOGLE_ISSUER_URL: expected an https URL'],
  [{ ...GITHUB, AUTH_GITHUB_BASE_URL: 'http://localhost.example.com' }, 'AUTH_GITHUB_BASE_URL: expected an https URL'],
])('%j is refused', (env, problem) => {
  expect(problemsOf(env)).toEqual([problem]);
});

test('a client without accounts of people has no effect, and says so', () => {
  const { loginProviders, warnings } = loadConfig({
    ...FULL,
    ...GOOGLE,
    AUTH_MODE: 'admin',
    AUTH_ADMIN_EMAIL: 'admin@example.com',
    AUTH_ADMIN_PASSWORD: 'correct horse 1',
  });
  expect(loginProviders.google).toBeNull();
  expect(warnings).toContainEqual(expect.stringContaining('AUTH_GOOGLE_CLIENT_ID has no effect'));
});
