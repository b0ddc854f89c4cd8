import { describe, expect, it } from 'vitest';
import { cronProblem, isTimeZone, nextTime } from './cron.ts';

const now = new Date('2026-03-28T12:00:00Z');
const problem = (cron: string, minIntervalSecs = 300) => cronProblem(cron, 'UTC', { minIntervalSecs, now });

describe('the next time', () => {
  it.each([
    ['0 9 * * *', 'UTC', '2026-03-29T09:00:00.000Z'],
    // Summer time begins in the night before.
    ['0 9 * * *', 'Europe/Vienna', '2026-03-29T07:00:00.000Z'],
    ['*/15 * * * *', 'UTC', '2026-03-28T12:15:00.000Z'],
    ['0 0 1 1 *', 'America/New_York', '2027-01-01T05:00:00.000Z'],
  ])('of %j in %s is %s', (cron, timezone, expected) => {
    expect(nextTime(cron, timezone, now)?.toISOString()).toBe(expected);
  });

  it('is after the time it is asked for, also when that is one of its times', () => {
    expect(nextTime('0 12 * * *', 'UTC', now)?.toISOString()).toBe('2026-03-29T12:00:00.000Z');
  });

  it('of a day that never comes is none', () => {
    expect(nextTime('0 0 30 2 *', 'UTC', now)).toBeNull();
  });
});

describe('an expression', () => {
  it.each(['*/5 * * * *', '0 9 * * 1-5', '0,30 8-18 * * *', '0 0 1 * *'])('%j is taken', (cron) => {
    expect(problem(cron)).toBeNull();
  });

  it.each(['', 'daily', '* * * *', '0 */5 * * * *', '61 * * * *', '@daily', '* * * * * * *'])('%j is refused', (cron) => {
    expect(problem(cron)).toMatch(/five fields/);
  });

  it.each(['* * * * *', '0,1 9 * * *', '*/4 * * * *'])('%j comes too often', (cron) => {
    expect(problem(cron)).toMatch(/300 s/);
  });

  it('that never comes is refused', () => {
    expect(problem('0 0 30 2 *')).toBe('never comes');
  });
});

it('time zones are known by name', () => {
  expect(['Europe/Vienna', 'UTC', 'Mars/Olympus', ''].map(isTimeZone)).toEqual([true, true, false, false]);
});
