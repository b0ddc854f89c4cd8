import { describe, expect, it } from 'vitest';
import type { TaskOutcome } from '@everruns/contract';
import { encodeOutcome, encodePayload, PayloadTooLarge, splitText } from './payload.ts';

const decoded = (bytes: Buffer): unknown => JSON.parse(bytes.toString());
const MAX = 300;
const huge = 'x'.repeat(MAX);

describe('what fits into a message', () => {
  it('is said as it is, up to the last byte', () => {
    expect(encodePayload('x'.repeat(MAX - 2), MAX)).toHaveLength(MAX);
    expect(() => encodePayload('x'.repeat(MAX - 1), MAX)).toThrow(PayloadTooLarge);
  });

  it('is counted in bytes, not in characters', () => {
    expect(() => encodePayload('€'.repeat(MAX / 3), MAX)).toThrow(PayloadTooLarge);
  });

  it('is nothing that cannot even be written down', () => {
    const endless = {
      toJSON: () => {
        throw new RangeError('Invalid string length');
      },
    };
    expect(() => encodePayload(endless)).toThrow(PayloadTooLarge);
  });
});

describe('an outcome that is too large', () => {
  it('of a call that has run is an error of this call, and leaves no doubt that it ran', () => {
    const outcome: TaskOutcome = { kind: 'tool', status: 'success', result: huge, duration_ms: 7, events: [] };
    expect(decoded(encodeOutcome(outcome, MAX))).toMatchObject({
      kind: 'tool',
      status: 'error',
      error: expect.stringMatching(/^outcome_too_large: The call has run/) as unknown,
      duration_ms: 7,
    });
  });

  it('of a model step is a failure that is not tried again', () => {
    const outcome = { kind: 'reason', success: true, text: huge } as TaskOutcome;
    expect(decoded(encodeOutcome(outcome, MAX))).toMatchObject({ kind: 'failure', code: 'outcome_too_large', retryable: false });
  });
});

describe('a text in parts', () => {
  it('is the same text again', () => expect(splitText('abcdefg', 3)).toEqual(['abc', 'def', 'g']));
  it('cuts no character in two', () => expect(splitText('ab😀cd', 3)).toEqual(['ab', '😀c', 'd']));
  it('is one part when it is short', () => expect(splitText('')).toEqual(['']));
});
