import { expect, test } from 'vitest';
import { choiceOf } from './organization-choice.ts';

const [A, B] = [{ public_id: 'org_a' }, { public_id: 'org_b' }];

test('one organization needs no choice', () => {
  expect(choiceOf([A], undefined)).toEqual({ kind: 'stay' });
  expect(choiceOf([A, B], 'org_b')).toEqual({ kind: 'stay' });
});

test('of several one is chosen, and one that somebody is not in any more is left', () => {
  expect(choiceOf([A, B], undefined)).toEqual({ kind: 'enter', id: 'org_a' });
  expect(choiceOf([B], 'org_a')).toEqual({ kind: 'enter', id: 'org_b' });
});

test('who is in none is told so', () => {
  expect(choiceOf([], 'org_a')).toEqual({ kind: 'none' });
});
