import { expect, it } from 'vitest';
import { readHeaders } from './headers.ts';

it('reads headers, one a line', () => {
  expect(readHeaders(' X-Team: a:b \n\nAccept:')).toEqual({ headers: { 'X-Team': 'a:b', Accept: '' } });
  expect(readHeaders('')).toEqual({ headers: {} });
});

it('says which line is none', () => {
  expect(readHeaders('X: 1\nnothing')).toEqual({ problem: '"nothing" is no header: write Name: value.' });
});
