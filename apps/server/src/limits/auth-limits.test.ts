import { PlatformError } from '@everruns/contract';
import { describe, expect, test } from 'vitest';
import { createAuthLimits, withLocalFallback } from './auth-limits.ts';
import type { AuthRates } from './auth-limits.ts';
import { LimiterUnavailable } from './limiter.ts';
import type { Limiter } from './limiter.ts';
import { createMemoryLimiter } from './memory-limiter.ts';

const RATES: AuthRates = {
  loginsPerMinute: 10,
  registersPerMinute: 5,
  refreshesPerMinute: 30,
  clientsPerMinute: 5,
  accountLogins: 20,
  accountMailsPerMinute: 1,
  accountMailsPerDay: 8,
};
const MINUTE_MS = 60_000;

function limits(rates: Partial<AuthRates> = {}) {
  const clock = { nowMs: 0 };
  const limiter = createMemoryLimiter({ nowMs: () => clock.nowMs });
  return { clock, limits: createAuthLimits(limiter, { ...RATES, ...rates }) };
}

/** How many of so many get through, and how long the first refused one is told to wait. */
async function through(times: number, attempt: () => Promise<void>): Promise<[passed: number, waitSecs: number | undefined]> {
  let [passed, waitSecs]: [number, number | undefined] = [0, undefined];
  for (let n = 0; n < times; n++) {
    try {
      await attempt();
      passed++;
    } catch (error) {
      if (!(error instanceof PlatformError) || error.code !== 'rate_limited') throw error;
      waitSecs ??= error.retryAfterSeconds;
    }
  }
  return [passed, waitSecs];
}

describe('guessing', () => {
  test.each([
    ['login', 10],
    ['register', 5],
    ['refresh', 30],
  ] as const)('one address gets %s %i times a minute', async (action, times) => {
    const { limits: own, clock } = limits();
    clock.nowMs = 15_000;
    expect(await through(times + 5, () => own.ofAddress(action, '198.51.100.1'))).toEqual([times, 60]);
    expect(await through(1, () => own.ofAddress(action, '198.51.100.2'))).toEqual([1, undefined]);
    clock.nowMs += 59_999;
    expect(await through(1, () => own.ofAddress(action, '198.51.100.1'))).toEqual([0, 1]);
    clock.nowMs += 1;
    expect(await through(1, () => own.ofAddress(action, '198.51.100.1'))).toEqual([1, undefined]);
  });

  test('of 10,000 attempts on one account from everywhere, 20 in 15 minutes get to the password', async () => {
    const { limits: own, clock } = limits();
    expect(await through(10_000, () => own.ofAccount('ann@example.com'))).toEqual([20, 900]);
    clock.nowMs += 15 * MINUTE_MS;
    expect(await through(100, () => own.ofAccount('ann@example.com'))).toEqual([20, 900]);
  });

  test('0 is no limit', async () => {
    const { limits: own } = limits({ loginsPerMinute: 0, accountLogins: 0 });
    expect(await through(1_000, () => own.ofAddress('login', 'a'))).toEqual([1_000, undefined]);
    expect(await through(1_000, () => own.ofAccount('a'))).toEqual([1_000, undefined]);
  });
});

test('an address is sent one mail a minute and eight a day, and asking more often does not use up the day', async () => {
  const { limits: own, clock } = limits();
  let sent = 0;
  for (let minute = 0; minute < 24 * 60; minute++) {
    for (let n = 0; n < 3; n++) if (await own.mayMail('ann@example.com')) sent++;
    if (minute === 4) expect(sent).toBe(5);
    clock.nowMs += MINUTE_MS;
  }
  expect(sent).toBe(8);
  expect(await own.mayMail('ann@example.com')).toBe(true);
});

test('an address is invited eight times a day, by whomever, and that does not use up its own mails', async () => {
  const { limits: own } = limits();
  expect((await through(100, () => own.ofInvited('ann@example.com')))[0]).toBe(8);
  expect(await own.mayMail('ann@example.com')).toBe(true);
});

describe('without the shared counter', () => {
  const failing = (error: Error): Limiter => ({ take: () => Promise.reject(error), close: async () => undefined });
  const local = createMemoryLimiter({ nowMs: () => 0 });

  test('this instance counts by itself: nobody guesses without a limit', async () => {
    const own = createAuthLimits(withLocalFallback(failing(new LimiterUnavailable('away')), local), RATES);
    expect(await through(100, () => own.ofAddress('login', '198.51.100.1'))).toEqual([10, 60]);
  });

  test('an error of another kind is one', async () => {
    const own = withLocalFallback(failing(new Error('a mistake')), local);
    await expect(own.take('key', { limit: 1, windowMs: 1 })).rejects.toThrow('a mistake');
  });
});
