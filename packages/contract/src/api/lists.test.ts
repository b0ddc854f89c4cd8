import { describe, expect, test } from 'vitest';
import { PageQuery, pageLinks, QueryFlag, searchTokens } from './lists.ts';

const URL_OF_PAGE = 'http://h/api/v1/agents?search=a%20b&offset=20&limit=20';

describe('pageLinks', () => {
  const cases: [string, { offset: number; limit: number }, number, (number | null)[]][] = [
    ['the only page has no neighbours', { offset: 0, limit: 20 }, 20, [null, null]],
    ['an empty list has no neighbours', { offset: 0, limit: 20 }, 0, [null, null]],
    ['the first of several has a next one', { offset: 0, limit: 20 }, 21, [20, null]],
    ['a middle one has both', { offset: 20, limit: 20 }, 100, [40, 0]],
    ['the last one has a previous one', { offset: 80, limit: 20 }, 100, [null, 60]],
    ['a previous page does not start below zero', { offset: 5, limit: 20 }, 100, [25, 0]],
    ['beyond the end the way back leads to the last rows', { offset: 1_000, limit: 20 }, 30, [null, 10]],
  ];
  test.each(cases)('%s', (_name, page, total, [next, previous]) => {
    const links = pageLinks(URL_OF_PAGE, page, total);
    const offsetOf = (url: string | undefined): number | null =>
      url === undefined ? null : Number(new URL(url).searchParams.get('offset'));
    expect([offsetOf(links.next_url), offsetOf(links.prev_url)]).toEqual([next, previous]);
  });

  test('the query of the request is kept', () => {
    const next = new URL(pageLinks(URL_OF_PAGE, { offset: 20, limit: 20 }, 100).next_url as string);
    expect(next.searchParams.get('search')).toBe('a b');
    expect(next.pathname).toBe('/api/v1/agents');
  });
});

describe('searchTokens', () => {
  test('blank is no filter', () => expect(searchTokens('  \t ')).toEqual([]));
  test('absent is no filter', () => expect(searchTokens(undefined)).toEqual([]));
  test('splits on any blanks and keeps what looks like a pattern', () =>
    expect(searchTokens(' 50%  a_b\n\\x ')).toEqual(['50%', 'a_b', '\\x']));
  test('takes at most eight', () => expect(searchTokens('1 2 3 4 5 6 7 8 9')).toHaveLength(8));
});

test.each([
  [{}, { offset: 0, limit: 20 }],
  [
    { offset: '5', limit: '100' },
    { offset: 5, limit: 100 },
  ],
])('page query %j', (query, page) => expect(PageQuery.parse(query)).toEqual(page));

test.each([
  { offset: '-1' },
  { limit: '0' },
  { limit: '101' },
  { limit: 'x' },
  { limit: '1.5' },
  { offset: ['1', '2'] },
  { limit: '' },
  { offset: '' },
  { limit: '1e1' },
  { limit: '0x10' },
  { limit: ' 5' },
  { limit: '+5' },
  { offset: '99999999999999999999' },
])('page query %j is refused', (query) => {
  expect(PageQuery.safeParse(query).success).toBe(false);
});

test.each([
  ['true', true],
  ['1', true],
  ['', true],
  ['false', false],
  ['0', false],
  [undefined, undefined],
])('flag %j means %j', (text, value) => expect(QueryFlag.parse(text)).toBe(value));
