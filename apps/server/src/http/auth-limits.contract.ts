import { startValkey } from '@everruns/testing/valkey';
import { afterEach, expect, test, vi } from 'vitest';
import { createMemoryLimiter } from '../limits/memory-limiter.ts';
import { createValkeyLimiter } from '../limits/valkey-limiter.ts';
import { PASSWORD } from './testing/test-identity.ts';
import { testApp } from './testing/test-app.ts';
import type { Answer, TestApp } from './testing/test-app.ts';

const RATES = {
  loginsPerMinute: 10,
  registersPerMinute: 5,
  refreshesPerMinute: 30,
  accountLogins: 20,
  accountMailsPerMinute: 1,
  accountMailsPerDay: 8,
};
let app: TestApp;
afterEach(() => app.close());

async function start(limiter = createMemoryLimiter({ nowMs: () => 0 })): Promise<void> {
  app = await testApp({ auth: { mode: 'full', rates: RATES }, limiter });
}
const post = (path: string, body: unknown, address = '198.51.100.1'): Promise<Answer> =>
  app.call('POST', `/v1/auth/${path}`, body, { 'x-forwarded-for': address });
async function statuses(times: number, ask: (n: number) => Promise<Answer>): Promise<Record<number, number>> {
  const counts: Record<number, number> = {};
  for (let n = 0; n < times; n++) {
    const { status } = await ask(n);
    counts[status] = (counts[status] ?? 0) + 1;
  }
  return counts;
}

test('of many attempts of one address ten get to the password, and each refusal says when the next one does', async () => {
  await start();
  const { email } = await app.person();
  expect(await statuses(40, () => post('login', { email, password: 'wrong' }))).toEqual({ 401: 10, 429: 30 });
  const refused = await post('login', { email, password: PASSWORD });
  expect(refused).toMatchObject({ status: 429, json: { code: 'rate_limited', retry_after_seconds: 60 } });
  expect(refused.headers.get('retry-after')).toBe('60');
  expect((await post('login', { email, password: PASSWORD }, '198.51.100.2')).status).toBe(200);
});

test('of many attempts on one account from everywhere, twenty do; the same for an account that is not there', async () => {
  await start();
  const { email } = await app.person();
  const attack = (target: string) => statuses(50, (n) => post('login', { email: target, password: 'wrong' }, `203.0.113.${n}`));
  expect(await attack(email.toUpperCase())).toEqual({ 401: 20, 429: 30 });
  expect(await attack('nobody@example.com')).toEqual({ 401: 20, 429: 30 });
});

test('registrations and mails share one limit of an address, refreshes have their own', async () => {
  await start();
  const paths = ['forgot-password', 'resend-verification', 'verify-email', 'reset-password', 'register'];
  const body = { email: 'a@example.com', token: 'x', password: PASSWORD, name: 'x' };
  const answers = await statuses(10, (n) => post(paths[n % paths.length] ?? '', body));
  expect(answers).toEqual({ 200: 3, 400: 2, 429: 5 });
  expect(await statuses(35, () => post('refresh', { refresh_token: 'x' }))).toEqual({ 401: 30, 429: 5 });
});

test('enough mails to an address are not refused, they are just not sent', async () => {
  await start();
  const { email } = await app.person();
  const ask = (n: number): Promise<Answer> => post('forgot-password', { email }, `203.0.113.${n}`);
  expect(await statuses(10, ask)).toEqual({ 200: 10 });
  await app.identity.outbox?.settled();
  expect(app.mailbox.mails).toHaveLength(1);
});

test('when Valkey dies in the middle, nobody is refused for it and nobody guesses more', async () => {
  const valkey = await startValkey();
  try {
    const limiter = createValkeyLimiter({ url: valkey.url('redis') });
    await vi.waitFor(() => limiter.take('ping', { limit: 1e6, windowMs: 1_000 }), { timeout: 10_000, interval: 20 });
    await start(limiter);
    const { email } = await app.person();
    const wrong = () => post('login', { email, password: 'wrong' });
    expect(await statuses(12, wrong)).toEqual({ 401: 10, 429: 2 });
    await valkey.kill();
    expect(await statuses(20, wrong)).toEqual({ 401: 10, 429: 10 });
    expect((await post('login', { email, password: PASSWORD }, '198.51.100.2')).status).toBe(200);
    await limiter.close();
  } finally {
    await valkey.stop();
  }
});
