import { expect, it } from 'vitest';
import { chainOf } from './chain.ts';

it('follows parents to the last one, and not in circles', () => {
  const [base, generic, circle] = [{ id: 'base' }, { id: 'generic', parent_harness_id: 'base' }, { id: 'c', parent_harness_id: 'c' }];
  expect(chainOf([base, generic], 'generic')).toEqual([generic, base]);
  expect(chainOf([circle], 'c')).toEqual([circle]);
  expect(chainOf([base], '')).toEqual([]);
});
