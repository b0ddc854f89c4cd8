import { expect, test } from 'vitest';
import { accountMailOf } from './outbox.ts';

test.each([
  ['a forgotten password', 'reset', false, 'Ann', true, 'reset'],
  ['a forgotten password of an unproven account', 'reset', false, 'Ann', false, 'reset'],
  ['a forgotten password of nobody', 'reset', false, null, false, null],
  ['a registration', 'verify', true, null, false, 'verify'],
  ['a registration for an unproven account', 'verify', true, 'Ann', false, 'verify'],
  ['a registration for an account', 'verify', true, 'Ann', true, 'account_exists'],
  ['another confirmation of an unproven account', 'verify', false, 'Ann', false, 'verify'],
  ['another confirmation of a proven account', 'verify', false, 'Ann', true, null],
  ['another confirmation of nobody', 'verify', false, null, false, null],
] as const)('%s is answered as it should be', (...[, purpose, is_registration, user_name, is_verified, told]) =>
  expect(accountMailOf({ purpose, is_registration, user_name, is_verified })).toBe(told),
);
