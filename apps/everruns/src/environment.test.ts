import { expect, test } from 'vitest';
import { parseLocalConfig } from './config.ts';
import { fallbackKeys, serverEnvironment, workerEnvironment } from './environment.ts';

const secrets = { WORKER_GRPC_AUTH_TOKEN: 'token', SECRETS_ENCRYPTION_KEY: 'kek-v1:key', POSTGRES_PASSWORD: 'password' };

test('common names of provider keys become fallback keys, given fallback keys win', () => {
  expect(fallbackKeys({ OPENAI_API_KEY: 'a', DEFAULT_GEMINI_API_KEY: 'b', GEMINI_API_KEY: 'c' })).toEqual({
    DEFAULT_OPENAI_API_KEY: 'a',
    DEFAULT_GEMINI_API_KEY: 'b',
  });
});

test('an empty key is none', () => {
  expect(fallbackKeys({ DEFAULT_OPENAI_API_KEY: '', OPENAI_API_KEY: 'a', ANTHROPIC_API_KEY: '' })).toEqual({ DEFAULT_OPENAI_API_KEY: 'a' });
});

test('the server gets the database, the keys and the addresses', () => {
  const env = { PATH: '/bin', DATABASE_URL: 'elsewhere', DATABASE_UNPOOLED_URL: 'elsewhere' };
  expect(serverEnvironment({ env, config: parseLocalConfig({}, '/'), secrets, databaseUrl: 'postgresql://here' })).toEqual({
    PATH: '/bin',
    DATABASE_URL: 'postgresql://here',
    HTTP_ADDR: '127.0.0.1:9301',
    WORKER_GRPC_ADDR: '127.0.0.1:9001',
    WORKER_GRPC_AUTH_TOKEN: 'token',
    SECRETS_ENCRYPTION_KEY: 'kek-v1:key',
    DEPLOYMENT_GRADE: 'dev',
    AUTH_MODE: 'none',
    EVERRUNS_SOLE_INSTANCE: 'true',
  });
});

test('a worker gets no database, no key and nothing that lets anybody in', () => {
  const env = {
    PATH: '/bin',
    DATABASE_URL: 'x',
    SECRETS_ENCRYPTION_KEY: 'x',
    SECRETS_ENCRYPTION_KEY_PREVIOUS: 'x',
    SMTP_URL: 'x',
    AUTH_JWT_SECRET: 'x',
    AUTH_ADMIN_PASSWORD: 'x',
    AUTH_GITHUB_CLIENT_SECRET: 'x',
    OPENAI_API_KEY: 'x',
    DEFAULT_OPENAI_API_KEY: 'x',
    NATS_URL: 'x',
  };
  expect(workerEnvironment({ env, grpcAddress: '127.0.0.1:9001', token: 'token', drainMs: 10_000 })).toEqual({
    PATH: '/bin',
    WORKER_GRPC_ADDRESS: '127.0.0.1:9001',
    WORKER_GRPC_AUTH_TOKEN: 'token',
    WORKER_DRAIN_TIMEOUT_SECS: '10',
    DEPLOYMENT_GRADE: 'dev',
  });
});
