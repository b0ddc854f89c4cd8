import { expect, test } from 'vitest';
import { isPeriod, pieceText, piecesOf } from './periods.ts';

const NOW = new Date(2026, 2, 3, 14, 30);

test('days follow each other without a gap up to the end of today', () => {
  const pieces = piecesOf('7d', NOW);
  expect(pieces).toHaveLength(7);
  expect(pieces[0]?.from).toEqual(new Date(2026, 1, 25));
  expect(pieces.at(-1)).toEqual({ from: new Date(2026, 2, 3), to: new Date(2026, 2, 4) });
  expect(pieces.slice(1).every(({ from }, index) => from.getTime() === pieces[index]?.to.getTime())).toBe(true);
});

test('weeks end with today and are named by their first and last day', () => {
  const pieces = piecesOf('12w', NOW);
  expect(pieces).toHaveLength(12);
  expect(pieces.at(-1)).toEqual({ from: new Date(2026, 1, 25), to: new Date(2026, 2, 4) });
  expect(pieceText(pieces.at(-1) as never)).toMatch(/^Feb 25\s–\sMar 3$/);
  expect(pieceText(piecesOf('14d', NOW).at(-1) as never)).toBe('Mar 3');
});

test('an address may name nothing but a period', () => {
  expect(['7d', '12w', '8d', 'toString', 7, undefined].map(isPeriod)).toEqual([true, true, false, false, false, false]);
});
