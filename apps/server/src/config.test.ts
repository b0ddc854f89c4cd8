import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { withEnvironmentTable } from './config-docs.ts';
import { ConfigError, DEDICATED_CONNECTIONS, ENVIRONMENT, loadConfig } from './config.ts';

const KEY = `kek-v1:${Buffer.alloc(32, 1).toString('base64')}`;
const DEV = { DATABASE_URL: 'postgres://h/db', DEPLOYMENT_GRADE: 'dev' };

function problemsOf(env: Record<string, string>): readonly string[] {
  try {
    loadConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

test('grade dev needs a database and nothing else', () => {
  expect(loadConfig(DEV)).toMatchObject({
    grade: 'dev',
    auth: { mode: 'none', jwtSecret: null, hasPasswords: false, signup: 'closed', mail: { provider: 'console' } },
    http: { host: '127.0.0.1', port: 9301 },
    grpc: { host: '127.0.0.1', port: 9001 },
    grpcToken: null,
    database: { url: 'postgres://h/db', directUrl: 'postgres://h/db' },
    keyring: [],
    fallbackKeys: {},
    apiPrefix: '/api',
    publicUrl: null,
    limits: { harnesses: 0, agents: 0, sessions: 0 },
    sse: {
      realtimeCycleMs: 300_000,
      monitoringCycleMs: 600_000,
      heartbeatMs: 30_000,
      globalMax: 10_000,
      perOrgMax: 1_000,
      perSessionMax: 5,
    },
    warnings: [],
  });
});

test('all problems are reported together', () => {
  const problems = problemsOf({
    DATABASE_URL: 'mysql://h',
    DEPLOYMENT_GRADE: 'production',
    HTTP_ADDR: 'nowhere',
    SSE_GLOBAL_MAX: '-1',
    SECRETS_ENCRYPTION_KEY: 'kek-v1:short',
    LOG_LEVEL: 'loud',
  });
  const named = problems.map((problem) => problem.split(':')[0]);
  for (const name of ['DATABASE_URL', 'DEPLOYMENT_GRADE', 'HTTP_ADDR', 'SSE_GLOBAL_MAX', 'SECRETS_ENCRYPTION_KEY', 'LOG_LEVEL']) {
    expect(named).toContain(name);
  }
  expect(problems.join()).not.toContain('short');
});

test('the result is frozen through and through', () => {
  const config = loadConfig({ ...DEV, SECRETS_ENCRYPTION_KEY: KEY });
  expect(Object.isFrozen(config) && Object.isFrozen(config.sse) && Object.isFrozen(config.keyring)).toBe(true);
});

test('an empty variable counts as unset, except that an empty API_PREFIX mounts at the root', () => {
  expect(loadConfig({ ...DEV, HTTP_ADDR: '', SECRETS_ENCRYPTION_KEY: '', API_PREFIX: '' })).toMatchObject({
    http: { port: 9301 },
    apiPrefix: '',
  });
});

describe('CORS_ALLOWED_ORIGINS', () => {
  test('is a list of origins, and empty by default', () => {
    expect(loadConfig(DEV).corsOrigins).toEqual([]);
    const corsOrigins = ['https://app.example.com', 'http://localhost:3000'];
    expect(loadConfig({ ...DEV, CORS_ALLOWED_ORIGINS: `${corsOrigins.join(' , ')},` }).corsOrigins).toEqual(corsOrigins);
  });
  test.each([
    '*',
    'https://*.example.com',
    'https://app.example.com/',
    'https://app.example.com/x',
    'app.example.com',
    'null',
    'https://a.test,*',
  ])('cannot be %s', (text) => {
    expect(problemsOf({ ...DEV, CORS_ALLOWED_ORIGINS: text })).toEqual([expect.stringMatching(/^CORS_ALLOWED_ORIGINS: expected origins/)]);
  });
});

describe('rate limits', () => {
  test('are off in grade dev unless they are set, and count in each instance without VALKEY_URL', () => {
    expect(loadConfig(DEV)).toMatchObject({ rates: { apiPerMinute: 0, sessionsPerMinute: 0, proxyHops: 1 }, valkeyUrl: null });
    expect(loadConfig({ ...DEV, RATE_LIMIT_API_REQUESTS_PER_MINUTE: '30', TRUSTED_PROXY_HOPS: '0' }).rates).toEqual({
      apiPerMinute: 30,
      sessionsPerMinute: 0,
      organizationsPerHour: 0,
      schedulesPerMinute: 0,
      toolCallsPerMinute: 0,
      proxyHops: 0,
    });
  });
  test.each(['redis://h', 'rediss://:secret@h:1', 'valkey://h:6379/2', 'valkeys://u:secret@h'])('VALKEY_URL may be %s', (url) => {
    expect(loadConfig({ ...DEV, VALKEY_URL: url }).valkeyUrl).toBe(url);
  });
  test.each(['http://h', 'redis://', 'valkey:h', 'h:6379', 'redis://h:port'])('VALKEY_URL cannot be %s', (url) => {
    expect(problemsOf({ ...DEV, VALKEY_URL: url })).toEqual(['VALKEY_URL: expected a redis, rediss, valkey or valkeys URL']);
  });
});

describe('grades', () => {
  test('unset is prod, and with DEV_MODE dev', () => {
    expect(loadConfig({ DATABASE_URL: DEV.DATABASE_URL, DEV_MODE: '1' }).grade).toBe('dev');
    expect(problemsOf({ DATABASE_URL: DEV.DATABASE_URL })).toEqual([
      'WORKER_GRPC_AUTH_TOKEN: required outside grade dev',
      'AUTH_MODE: required outside grade dev',
    ]);
  });
  test.each(['poc', 'preview', 'prod'])('AUTH_MODE=none is refused in grade %s', (grade) => {
    expect(problemsOf({ ...DEV, DEPLOYMENT_GRADE: grade, AUTH_MODE: 'none', WORKER_GRPC_AUTH_TOKEN: 't' })).toEqual([
      'AUTH_MODE: none is refused outside grade dev',
    ]);
  });
  test('a misspelt mode does not fall back to none', () => {
    expect(problemsOf({ ...DEV, AUTH_MODE: 'nome' })[0]).toMatch(/^AUTH_MODE/);
  });
  test('DEV_MODE is one process', () => {
    expect(problemsOf({ ...DEV, DEV_MODE: 'true', EXPECTED_INSTANCES: '2' })[0]).toMatch(/^EXPECTED_INSTANCES/);
  });
});

describe('who may call', () => {
  const PROD = {
    DATABASE_URL: DEV.DATABASE_URL,
    WORKER_GRPC_AUTH_TOKEN: 't',
    AUTH_JWT_SECRET: 's'.repeat(32),
    PUBLIC_APP_URL: 'https://app.example.com',
  };
  const FULL = { ...PROD, AUTH_MODE: 'full' };
  const MAILS = { SMTP_URL: 'smtps://u:p@mail.example.com', EMAIL_FROM: 'a@example.com' };
  const ADMIN = { ...PROD, AUTH_MODE: 'admin', AUTH_ADMIN_EMAIL: ' Ann@Example.com', AUTH_ADMIN_PASSWORD: 'long enough 1' };

  test('without mail nobody can sign up, unless addresses need no proof', () => {
    expect(loadConfig(FULL)).toMatchObject({
      auth: { mode: 'full', accessSecs: 900, refreshSecs: 2_592_000, hasPasswords: true, signup: 'closed', mail: { provider: 'disabled' } },
      warnings: [expect.stringMatching(/^Nobody can sign up/), expect.stringMatching(/without TLS/)],
    });
    expect(loadConfig({ ...FULL, AUTH_SIGNUP_EMAIL_CONFIRM: 'false' }).auth.signup).toBe('open');
    expect(loadConfig({ ...FULL, ...MAILS }).auth).toMatchObject({ signup: 'confirmed', mail: { provider: 'smtp', url: MAILS.SMTP_URL } });
    expect(loadConfig({ ...FULL, ...MAILS, AUTH_DISABLE_SIGNUP: '1' }).auth).toMatchObject({ signup: 'closed', hasNewcomers: false });
    expect(loadConfig({ ...FULL, ...MAILS, AUTH_DISABLE_PASSWORD: '1' }).auth).toMatchObject({ hasPasswords: false, hasNewcomers: true });
  });
  test('the secret is needed, has 32 bytes, and is never repeated', () => {
    expect(problemsOf({ ...FULL, AUTH_JWT_SECRET: '' })).toEqual(['AUTH_JWT_SECRET: required unless AUTH_MODE is none']);
    const problems = problemsOf({ ...FULL, AUTH_JWT_SECRET: 'canary' });
    expect(problems[0]).toBe('AUTH_JWT_SECRET: expected at least 32 bytes');
    expect(problems.join()).not.toContain('canary');
  });
  test('the one of mode admin is named, and has a password', () => {
    expect(loadConfig(ADMIN).auth).toMatchObject({
      mode: 'admin',
      admin: { email: 'ann@example.com', password: 'long enough 1' },
      signup: 'closed',
    });
    expect(problemsOf({ ...PROD, AUTH_MODE: 'admin' })).toEqual([
      'AUTH_ADMIN_EMAIL: required when AUTH_MODE is admin',
      'AUTH_ADMIN_PASSWORD: required when AUTH_MODE is admin',
    ]);
    expect(problemsOf({ ...ADMIN, AUTH_DISABLE_PASSWORD: 'true' })[0]).toMatch(/^AUTH_DISABLE_PASSWORD/);
    expect(loadConfig({ ...ADMIN, AUTH_ADMIN_PASSWORD: 'short' }).warnings[0]).toMatch(/^AUTH_ADMIN_PASSWORD is weak/);
  });
  test('people come by https, at an address that mails can name', () => {
    expect(loadConfig({ ...FULL, PUBLIC_APP_URL: '' }).warnings[0]).toMatch(/^PUBLIC_APP_URL is not set/);
    expect(loadConfig({ ...FULL, PUBLIC_APP_URL: 'http://app.example.com' }).warnings[0]).toMatch(/^PUBLIC_APP_URL is not https/);
    expect(loadConfig({ ...FULL, DEPLOYMENT_GRADE: 'dev', PUBLIC_APP_URL: '' }).warnings).toEqual([]);
  });
  test('mode external is refused with the reason', () => {
    expect(problemsOf({ ...FULL, AUTH_MODE: 'external' })).toEqual([
      expect.stringMatching(/^AUTH_MODE: external is not offered.*use full$/),
    ]);
  });
  test.each([
    [{ EMAIL_PROVIDER: 'console' }, /^EMAIL_PROVIDER: console is refused/],
    [{ EMAIL_PROVIDER: 'smtp', EMAIL_FROM: 'a@b' }, /^SMTP_URL: required/],
    [{ SMTP_URL: 'smtp://h' }, /^EMAIL_FROM: required/],
    [{ SMTP_URL: 'http://h', EMAIL_FROM: 'a@b' }, /^SMTP_URL: expected an smtp/],
    [{ AUTH_ADMIN_EMAIL: 'nobody' }, /^AUTH_ADMIN_EMAIL: Expected an email address/],
    [{ AUTH_ADMIN_PASSWORD: 'long enough 1' }, /^AUTH_ADMIN_EMAIL: required with/],
  ])('%j stops the start', (env, problem) => expect(problemsOf({ ...FULL, ...env })).toEqual([expect.stringMatching(problem)]));
  test('guessing is limited outside grade dev, and where it is asked for', () => {
    expect(loadConfig(FULL).auth.rates).toEqual({
      loginsPerMinute: 10,
      registersPerMinute: 5,
      refreshesPerMinute: 30,
      clientsPerMinute: 5,
      accountLogins: 20,
      accountMailsPerMinute: 1,
      accountMailsPerDay: 8,
    });
    expect(loadConfig({ ...DEV, RATE_LIMIT_AUTH_LOGIN_PER_MINUTE: '3' }).auth.rates).toMatchObject({
      loginsPerMinute: 3,
      accountLogins: 0,
    });
  });
});

describe('addresses', () => {
  test('PORT_PREFIX moves what is not given', () => {
    expect(loadConfig({ ...DEV, PORT_PREFIX: '271' })).toMatchObject({ http: { port: 27_101 }, grpc: { port: 27_102 } });
    expect(loadConfig({ ...DEV, PORT_PREFIX: '271', HTTP_ADDR: ':80' }).http.port).toBe(80);
    expect(problemsOf({ ...DEV, PORT_PREFIX: '655' })[0]).toMatch(/^PORT_PREFIX/);
  });
  test.each([
    ['0.0.0.0:80', { host: '0.0.0.0', port: 80 }],
    ['[::1]:9', { host: '::1', port: 9 }],
    [':9', { host: '127.0.0.1', port: 9 }],
    ['9', { host: '127.0.0.1', port: 9 }],
    ['host.example:0', { host: 'host.example', port: 0 }],
  ])('%s is an address', (text, address) => expect(loadConfig({ ...DEV, HTTP_ADDR: text }).http).toEqual(address));
  test.each(['host', 'host:70000', 'a:b:1', 'host:1x'])('%s is none', (text) =>
    expect(problemsOf({ ...DEV, HTTP_ADDR: text })).toHaveLength(1),
  );
  test('without authentication, an address that others can reach is warned about', () => {
    expect(loadConfig({ ...DEV, HTTP_ADDR: '0.0.0.0:80' }).warnings[0]).toMatch(/AUTH_MODE is none/);
  });
});

describe('connections', () => {
  test.each([
    [100, 1, 20],
    [100, 3, 20],
    [100, 8, 7],
    [30, 1, 20],
    [25, 2, 7],
  ])('of %i allowed and %i instances, each pool has %i', (max, instances, size) => {
    const config = loadConfig({ ...DEV, PG_MAX_CONNECTIONS: String(max), EXPECTED_INSTANCES: String(instances) });
    expect(config.database.poolSize).toBe(size);
    expect((config.database.poolSize + DEDICATED_CONNECTIONS) * instances).toBeLessThanOrEqual(max * 0.8);
  });
  test('too few for everybody is a problem', () => {
    expect(problemsOf({ ...DEV, PG_MAX_CONNECTIONS: '20', EXPECTED_INSTANCES: '4' })[0]).toMatch(/^PG_MAX_CONNECTIONS/);
  });
});

describe('streams', () => {
  test.each([
    ['1', 1_000, 0],
    ['44', 44_000, 0],
    ['45', 30_000, 1],
    ['600', 30_000, 1],
  ])('a heartbeat of %s s is %i ms with %i warnings', (secs, ms, warnings) => {
    const config = loadConfig({ ...DEV, SSE_HEARTBEAT_INTERVAL_SECS: secs });
    expect([config.sse.heartbeatMs, config.warnings.length]).toEqual([ms, warnings]);
  });
  test('0 lifts a limit', () => expect(loadConfig({ ...DEV, SSE_PER_SESSION_MAX: '0' }).sse.perSessionMax).toBe(0));
});

describe('keys', () => {
  const previous = `kek-v0:${Buffer.alloc(32, 2).toString('base64')}`;
  test('the current one encrypts, the one before still opens', () => {
    const { keyring } = loadConfig({ ...DEV, SECRETS_ENCRYPTION_KEY: KEY, SECRETS_ENCRYPTION_KEY_PREVIOUS: previous });
    expect(keyring.map(({ id }) => id)).toEqual(['kek-v1', 'kek-v0']);
  });
  test('one id cannot be both, and a former one needs a current one', () => {
    expect(problemsOf({ ...DEV, SECRETS_ENCRYPTION_KEY: KEY, SECRETS_ENCRYPTION_KEY_PREVIOUS: KEY })).toHaveLength(1);
    expect(problemsOf({ ...DEV, SECRETS_ENCRYPTION_KEY_PREVIOUS: KEY })).toHaveLength(1);
  });
  test('fallback keys are known by provider type', () => {
    const config = loadConfig({ ...DEV, DEFAULT_OPENAI_API_KEY: 'o', DEFAULT_GEMINI_API_KEY: 'g' });
    expect(config.fallbackKeys).toEqual({ openai: 'o', google: 'g' });
  });
});

test.each([
  ['/x', '/x'],
  ['/x/', '/x'],
  ['/', ''],
  ['/a/b', '/a/b'],
])('API_PREFIX=%s mounts at %j', (given, mounted) => expect(loadConfig({ ...DEV, API_PREFIX: given }).apiPrefix).toBe(mounted));

test('the documentation has every variable as the code describes it', () => {
  const file = new URL('../../../docs/sre/environment-variables.md', import.meta.url);
  const document = readFileSync(file, 'utf8');
  expect(document, 'run: node scripts/generate-environment-docs.mjs').toBe(withEnvironmentTable(document));
  for (const name of Object.keys(ENVIRONMENT)) expect(document).toContain(`\`${name}\``);
});
