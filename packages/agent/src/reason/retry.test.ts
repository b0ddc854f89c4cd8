import { describe, expect, it } from 'vitest';
import { ModelError, type ModelErrorKind } from '../model.ts';
import { modelRetryDelay } from './retry.ts';

const middle = () => 0.5;
const failed = (kind: ModelErrorKind, retryAfterMs?: number) =>
  new ModelError(kind, 'x', retryAfterMs === undefined ? {} : { retryAfterMs });

describe('modelRetryDelay', () => {
  it.each([
    ['rate_limited', 1_000],
    ['unavailable', 1_000],
    ['timeout', 1_000],
    ['stalled', 1_000],
    ['cut', 1_000],
    ['misconfigured', null],
    ['authentication', null],
    ['quota', null],
    ['usage_limit', null],
    ['invalid_request', null],
    ['invalid_tool_schema', null],
    ['invalid_response', null],
    ['request_too_large', null],
    ['model_unavailable', null],
    ['other', null],
  ] as const)('%s waits %s ms before the first retry', (kind, delayMs) => {
    expect(modelRetryDelay({ error: failed(kind), retries: 0, elapsedMs: 0 }, middle)).toBe(delayMs);
  });

  it.each([
    ['doubles the wait for the second retry', 1, 0, 2_000],
    ['makes no third retry', 2, 0, null],
    ['begins no retry 30 s after the first failure', 1, 30_000, null],
    ['still retries just before', 1, 29_999, 2_000],
  ])('%s', (_, retries, elapsedMs, delayMs) => {
    expect(modelRetryDelay({ error: failed('unavailable'), retries, elapsedMs }, middle)).toBe(delayMs);
  });

  it.each([
    ['honours what the provider asks for', 7_500, 7_500],
    ['honours a whole minute', 60_000, 60_000],
    ['honours none at all', 0, 0],
    ['takes its own wait instead of more than a minute', 60_001, 1_000],
  ])('%s', (_, retryAfterMs, delayMs) => {
    expect(modelRetryDelay({ error: failed('rate_limited', retryAfterMs), retries: 0, elapsedMs: 0 }, middle)).toBe(delayMs);
  });

  it('spreads its own waits by a quarter to both sides', () => {
    const delay = (random: number) => modelRetryDelay({ error: failed('unavailable'), retries: 0, elapsedMs: 0 }, () => random);
    expect([delay(0), delay(1)]).toEqual([750, 1_250]);
  });
});
