import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { limitError, limitJson, MAX_RESULT_BYTES } from './limit-result.ts';

const bytes = (text: string) => Buffer.byteLength(text);

describe('limitJson', () => {
  it('names the file that holds all of it', () => {
    expect(limitJson(JSON.stringify('x'.repeat(100_000)), { path: '/workspace/outputs/1.txt' })).toMatch(
      /All of it is in the file \/workspace\/outputs\/1\.txt: read it in parts\.\]"$/,
    );
  });

  it('leaves what fits alone', () => {
    const json = JSON.stringify('x'.repeat(MAX_RESULT_BYTES - 2));
    expect(bytes(json)).toBe(MAX_RESULT_BYTES);
    expect(limitJson(json)).toBe(json);
  });

  it('cuts what is one byte too big, and says how big it was', () => {
    const json = JSON.stringify('x'.repeat(MAX_RESULT_BYTES - 1));
    const limited = limitJson(json);
    expect(bytes(limited)).toBeLessThanOrEqual(MAX_RESULT_BYTES);
    expect(JSON.parse(limited)).toMatch(/^"xxx.*\[Cut here: the result has 65537 bytes, at most 65536 are shown\. .*\]$/s);
  });

  it('keeps most of the room for the result', () => {
    expect(bytes(limitJson(JSON.stringify('"'.repeat(500_000))))).toBeGreaterThan(MAX_RESULT_BYTES * 0.75);
    expect(bytes(limitJson(JSON.stringify('x'.repeat(500_000))))).toBeGreaterThan(MAX_RESULT_BYTES * 0.95);
  });

  it('never exceeds the limit and never splits a character', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' }), { maxLength: 40 }), fc.integer({ min: 200, max: 400 }), (value, maxBytes) => {
        const limited = limitJson(JSON.stringify(value), { maxBytes });
        expect(bytes(limited)).toBeLessThanOrEqual(maxBytes);
        expect(() => JSON.parse(limited) as unknown).not.toThrow();
        expect(limited).not.toContain('\ufffd');
      }),
    );
  });
});

it('limitError cuts long error texts the same way', () => {
  expect(limitError('short')).toBe('short');
  const limited = limitError('\n'.repeat(100_000));
  expect(bytes(JSON.stringify(limited))).toBeLessThanOrEqual(MAX_RESULT_BYTES);
});
