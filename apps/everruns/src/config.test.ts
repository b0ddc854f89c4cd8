import { expect, test } from 'vitest';
import { formatAddress, parseLocalConfig } from './config.ts';

test('without settings it serves the loopback on the documented ports, grade dev, no auth', () => {
  expect(parseLocalConfig({}, '/project')).toEqual({
    home: '/project/.everruns',
    devMode: false,
    http: { host: '127.0.0.1', port: 9301 },
    grpc: { host: '127.0.0.1', port: 9001 },
    postgresPort: 5432,
    authMode: 'none',
    grade: 'dev',
    soleInstance: true,
    drainMs: 10_000,
    warnings: [],
  });
});

test('PORT_PREFIX moves all ports, HTTP_ADDR then moves HTTP', () => {
  const config = parseLocalConfig({ PORT_PREFIX: '94', HTTP_ADDR: ':8000' }, '/project');
  expect([config.http.port, config.grpc.port, config.postgresPort]).toEqual([8000, 9402, 9432]);
});

test.each([
  ['9400', '127.0.0.1:9400'],
  [':9400', '127.0.0.1:9400'],
  ['localhost:9400', 'localhost:9400'],
  ['[::1]:9400', '[::1]:9400'],
])('HTTP_ADDR=%s is %s', (value, expected) => {
  expect(formatAddress(parseLocalConfig({ HTTP_ADDR: value }, '/project').http)).toBe(expected);
});

test('a public address needs authentication', () => {
  expect(() => parseLocalConfig({ HTTP_ADDR: '0.0.0.0:9301' }, '/project')).toThrow('HTTP_ADDR=0.0.0.0:9301 would open it to the network');
  expect(parseLocalConfig({ HTTP_ADDR: '0.0.0.0:9301', AUTH_MODE: 'admin' }, '/project').http.host).toBe('0.0.0.0');
});

test.each(['true', '1', 'TRUE'])('DEV_MODE=%s is on', (value) => {
  expect(parseLocalConfig({ DEV_MODE: value }, '/project').devMode).toBe(true);
});

test('DEV_MODE refuses several instances', () => {
  expect(() => parseLocalConfig({ DEV_MODE: '1', EXPECTED_INSTANCES: '2' }, '/project')).toThrow('EXPECTED_INSTANCES must be 1');
  expect(parseLocalConfig({ EXPECTED_INSTANCES: '2' }, '/project').soleInstance).toBe(false);
});

test('DATABASE_URL is ignored and said so', () => {
  expect(parseLocalConfig({ DATABASE_URL: 'postgres://elsewhere/db' }, '/project').warnings).toEqual([
    'DATABASE_URL is ignored: npm start uses its own PostgreSQL.',
  ]);
});

test('all problems are reported in one line', () => {
  const env = { DEV_MODE: 'maybe', PORT_PREFIX: '655', HTTP_ADDR: 'here', EXPECTED_INSTANCES: 'two' };
  expect(() => parseLocalConfig(env, '/project')).toThrow(
    /^Wrong settings: DEV_MODE is "maybe", .*; PORT_PREFIX is "655", .*; HTTP_ADDR is "here", .*; EXPECTED_INSTANCES is "two", .*\.$/,
  );
});
