import { expect, test } from 'vitest';
import { safeReturnTo, withQuery } from './return-to.ts';

test.each([
  '/',
  '/sessions',
  '/a/b?c=d&e=%20f#g',
  '/api/v1/auth/cli/callback?state=x',
  '/oauth/authorize?redirect_uri=https%3A%2F%2Fother.example%2F',
])('%s is a place to return to', (path) => expect(safeReturnTo(path)).toBe(path));

test.each([
  'https://other.example/',
  '//other.example',
  '///other.example',
  '/\\other.example',
  '\\/other.example',
  '/a\\b',
  '/\t/other.example',
  '/\n/other.example',
  '/.//other.example',
  '/a/..//other.example',
  '/%2e//other.example',
  ' /a',
  '/a b',
  'a',
  'javascript:alert(1)',
  '/\u0000',
  '/é',
  '',
  `/${'a'.repeat(2_000)}`,
  undefined,
  null,
  ['/a', '/b'],
  7,
])('%j is none', (path) => expect(safeReturnTo(path)).toBeNull());

test('parameters without a value are left out', () => {
  expect(withQuery('/login', { return_to: '/a?b=c', error: null })).toBe('/login?return_to=%2Fa%3Fb%3Dc');
  expect(withQuery('/login', { return_to: null })).toBe('/login');
});
