import { describe, expect, it } from 'vitest';
import { runTool } from '../testing.ts';
import { currentTime } from './current-time.ts';

const run = (args: unknown, at = '2026-01-02T03:04:05.678Z') => runTool(currentTime, 'get_current_time', args, { at: new Date(at) });

describe('get_current_time', () => {
  it('tells UTC in ISO 8601 when asked for nothing', async () => {
    expect(await run({})).toEqual({ datetime: '2026-01-02T03:04:05Z', format: 'iso8601', timezone: 'UTC' });
  });

  it.each([
    ['Europe/Berlin', '2026-01-02T04:04:05+01:00'],
    ['Asia/Kolkata', '2026-01-02T08:34:05+05:30'],
    ['America/St_Johns', '2026-01-01T23:34:05-03:30'],
    ['Pacific/Kiritimati', '2026-01-02T17:04:05+14:00'],
    ['europe/london', '2026-01-02T03:04:05Z'],
    ['+02:00', '2026-01-02T05:04:05+02:00'],
  ])('tells the local time of %s with its offset', async (timezone, datetime) => {
    expect(await run({ timezone })).toEqual({ datetime, format: 'iso8601', timezone });
  });

  it('follows daylight saving time', async () => {
    expect(await run({ timezone: 'Europe/Berlin' }, '2026-07-01T22:00:00Z')).toMatchObject({ datetime: '2026-07-02T00:00:00+02:00' });
  });

  it('tells whole seconds since 1970', async () => {
    expect(await run({ format: 'unix', timezone: 'Asia/Tokyo' })).toEqual({
      timestamp: 1767323045,
      format: 'unix',
      timezone: 'Asia/Tokyo',
    });
  });

  it('tells a form for people', async () => {
    expect(await run({ format: 'human', timezone: 'America/New_York' })).toEqual({
      datetime: 'Thursday, January 1, 2026 at 10:04:05 PM EST',
      format: 'human',
      timezone: 'America/New_York',
    });
  });

  it.each([
    [{ timezone: 'Mars/Olympus' }, /^"Mars\/Olympus" is not a time zone/],
    [{ timezone: 7 }, /"timezone" must be string/],
    [{ format: 'roman' }, /"format" must be one of "iso8601", "unix", "human"/],
    [{ zone: 'UTC' }, /"zone" is not known/],
  ])('refuses %j in words', async (args, message) => {
    await expect(run(args)).rejects.toThrow(message);
  });
});
