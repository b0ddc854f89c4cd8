import { describe, expect, it } from 'vitest';
import { DEFAULT_RETRY, isRetryable, NON_RETRYABLE_CODES, retryDelayMs } from './retry.ts';

describe('retryDelayMs', () => {
  it.each([
    [1, 1_000],
    [2, 2_000],
    [3, 4_000],
    [4, 8_000],
    [5, null],
    [6, null],
  ])('after %i failures waits %s ms', (failures, delayMs) => {
    expect(retryDelayMs(failures, 0.5)).toBe(delayMs);
  });

  it('grows up to 60 s', () => {
    const policy = { ...DEFAULT_RETRY, maxAttempts: 12 };
    expect([6, 7, 8, 11].map((failures) => retryDelayMs(failures, 0.5, policy))).toEqual([32_000, 60_000, 60_000, 60_000]);
  });

  it.each([
    [0, 900, 54_000],
    [0.25, 950, 57_000],
    [0.5, 1_000, 60_000],
    [0.999_999, 1_100, 66_000],
  ])('varies by a tenth either way: %f', (random, first, longest) => {
    expect(retryDelayMs(1, random)).toBe(first);
    expect(retryDelayMs(9, random, { ...DEFAULT_RETRY, maxAttempts: 12 })).toBe(longest);
  });
});

describe('isRetryable', () => {
  it.each([...NON_RETRYABLE_CODES])('%s is never retried', (code) => {
    expect(isRetryable({ code, retryable: true })).toBe(false);
  });

  it('knows the codes that would fail again', () => {
    expect([...NON_RETRYABLE_CODES].sort()).toEqual([
      'budget_exhausted',
      'invalid_input',
      'session_deleted',
      'unknown_task',
      'unsupported_version',
    ]);
  });

  it.each([
    ['worker_crashed', true, true],
    ['worker_crashed', false, false],
  ])('%s with retryable %s: %s', (code, retryable, expected) => {
    expect(isRetryable({ code, retryable })).toBe(expected);
  });
});
