import { describe, expect, it } from 'vitest';
import { isTooDeep, stripTags } from './strip-tags.ts';

describe('stripTags', () => {
  it.each([
    ['<p>a</p><script>b("<p>")</script> c', 'a c'],
    ['a <STYLE>p{}</STYLE>b', 'a b'],
    ['a<script>never closed', 'a'],
    ['a < b', 'a'],
    ['plain', 'plain'],
  ])('%j: %j', (html, text) => expect(stripTags(html)).toBe(text));

  it.each(['<', '<script>', '<a', '</', ' '])('stays linear on megabytes of %j', (piece) => {
    expect(stripTags(piece.repeat(500_000))).toBe('');
  });
});

it('depth counts what has to be closed only', () => {
  expect(isTooDeep('<div>'.repeat(2_000))).toBe(true);
  expect(isTooDeep('<div></div>'.repeat(2_000))).toBe(false);
  expect(isTooDeep('<p><li><br>'.repeat(2_000))).toBe(false);
});
