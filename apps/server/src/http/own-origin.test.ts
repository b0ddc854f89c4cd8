import { expect, test } from 'vitest';
import { requireOwnMachine } from './own-origin.ts';

const machine = { trustsOrigin: (origin: string) => origin === 'https://ui.example.com', publicUrl: () => 'https://everruns.example.com' };
const ask = (host: string, { method = 'GET', origin, via = '127.0.0.1' }: { method?: string; origin?: string; via?: string } = {}) => {
  const headers = { host, ...(origin === undefined ? {} : { origin }) };
  return () => requireOwnMachine({ method, headers, socket: { localAddress: via } }, machine);
};

test.each([
  'localhost:9301',
  '127.0.0.1:9301',
  '[::1]:9301',
  '192.168.1.4:9301',
  'server:9301',
  'app.localhost',
  'everruns.svc.cluster.local',
  'EVERRUNS.example.com',
])('on the loopback the host %s is known', (host) => {
  expect(ask(host)).not.toThrow();
});

test.each(['evil.example:9301', 'localhost.evil.example', '127.0.0.1.evil.example:9301', 'everruns.example.com.evil.example'])(
  'on the loopback the host %s is one that a stranger may have led here: nothing is read, and nothing changed',
  (host) => {
    for (const via of ['127.0.0.1', '::1', '::ffff:127.0.0.1']) {
      expect(ask(host, { via })).toThrow(/PUBLIC_APP_URL/);
      expect(ask(host, { via, method: 'POST', origin: `http://${host}` })).toThrow(/PUBLIC_APP_URL/);
    }
  },
);

test('where others can reach the address anyway, hosts are not looked at', () => {
  expect(ask('dev.example.com', { via: '10.0.0.4' })).not.toThrow();
  expect(ask('dev.example.com', { via: '10.0.0.4', method: 'POST', origin: 'https://dev.example.com' })).not.toThrow();
});

test.each(['http://localhost:5173', 'http://127.0.0.1:1', 'http://[::1]:1', 'https://ui.example.com', 'http://localhost:9301'])(
  'a page of %s makes changes',
  (origin) => {
    expect(ask('localhost:9301', { method: 'POST', origin })).not.toThrow();
  },
);

test.each(['https://evil.example', 'http://6.6.6.6', 'null', 'http://localhost.evil.example', 'http://[2001:db8::1]', 'http://intranet'])(
  'a page of %s makes none',
  (origin) => {
    expect(ask('localhost:9301', { method: 'POST', origin })).toThrow(/other origins/);
    expect(ask('localhost:9301', { origin })).not.toThrow(); // what it asks for it cannot read
  },
);
