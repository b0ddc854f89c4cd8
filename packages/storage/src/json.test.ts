import { describe, expect, test } from 'vitest';
import { storableJson } from './json.ts';

describe('storableJson', () => {
  test('is plain JSON for what can be stored', () => {
    const value = { text: 'Grüße \u0007 😀', path: 'C:\\u0000', list: [1, null, true], gone: undefined };
    expect(storableJson(value)).toBe(JSON.stringify(value));
  });

  test.each([
    ['NUL', 'a\u0000b', 'a\uFFFDb'],
    ['the first half of a character', 'a\ud83d', 'a\uFFFD'],
    ['the second half of a character', '\ude00b', '\uFFFDb'],
    ['many of them', '\u0000\u0000\ud800', '\uFFFD\uFFFD\uFFFD'],
  ])('replaces %s, in values and keys', (_what, given, stored) => {
    expect(JSON.parse(storableJson({ [given]: [given, { deep: given }], kept: '😀' }))).toEqual({
      [stored]: [stored, { deep: stored }],
      kept: '😀',
    });
  });
});
