import { expect, test } from 'vitest';
import { grantable, isWithin } from './roles.ts';

test('nobody is offered a role above their own', () => {
  expect(grantable('member').map(({ value }) => value)).toEqual(['member']);
  expect(grantable('admin').map(({ value }) => value)).toEqual(['member', 'admin']);
  expect(grantable('owner')).toHaveLength(3);
  expect(isWithin('admin', 'owner')).toBe(false);
});

test('nothing is offered until the own role is known, or for one that is not', () => {
  expect(grantable(undefined)).toEqual([]);
  expect(grantable('toString')).toEqual([]);
});
