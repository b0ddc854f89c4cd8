import { expect, it } from 'vitest';
import { narrate } from './narration.ts';

it.each([
  ['Reading {path}', { path: 'a/b.txt' }, 'Reading a/b.txt'],
  ['Reading {path|a file}', {}, 'Reading a file'],
  ['Reading {path}', { path: { nested: true } }, 'Reading'],
  ['{n} of {total}', { n: 1, total: 2 }, '1 of 2'],
  ['Saying {text}', { text: `a\n${'b'.repeat(80)}` }, `Saying a ${'b'.repeat(58)}...`],
  ['Saying {text}', { text: '{path}', path: 'x' }, 'Saying {path}'],
])('%s with %j reads "%s"', (template, args, line) => {
  expect(narrate(template, args)).toBe(line);
});
