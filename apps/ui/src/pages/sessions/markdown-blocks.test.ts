import { expect, it } from 'vitest';
import { markdownBlocks, settledTail } from './markdown-blocks.ts';

it('cuts at empty lines between paragraphs', () => {
  expect(markdownBlocks('One\n\nTwo\nmore\n\n## Three').map((block) => block.trim())).toEqual(['One', 'Two\nmore', '## Three']);
});

it('keeps code, lists and quotes whole', () => {
  expect(markdownBlocks('```js\na\n\nb\n```\n\nAfter')).toEqual(['```js\na\n\nb\n```\n', 'After']);
  expect(markdownBlocks('1. a\n\n2. b\n\n   more').length).toBe(1);
  expect(markdownBlocks('> a\n\n> b').length).toBe(1);
});

it('does not cut a text whose parts refer to each other', () => {
  expect(markdownBlocks('See [it][1].\n\nMore\n\n[1]: https://example.com').length).toBe(1);
});

it('leaves all but the last block the same while a text grows', () => {
  const text = 'First.\n\nSecond **strong**.\n\n```\ncode\n\nmore\n```\n\n- a\n- b\n\nThe end.';
  let settled: string[] = [];
  for (let length = 1; length <= text.length; length++) {
    const blocks = markdownBlocks(text.slice(0, length));
    expect(blocks.slice(0, settled.length - 1).map((block) => block.trim())).toEqual(settled.slice(0, -1).map((block) => block.trim()));
    settled = blocks;
  }
});

it('does not show marks that have no end yet', () => {
  expect(settledTail('This is **stro')).toBe('This is **stro**');
  expect(settledTail('This is **')).toBe('This is ');
  expect(settledTail('Call `run')).toBe('Call `run`');
  expect(settledTail('See [the docs](https://exam')).toBe('See the docs');
  expect(settledTail('All **done**.')).toBe('All **done**.');
  expect(settledTail('```js\nlet a = `')).toBe('```js\nlet a = `');
});
