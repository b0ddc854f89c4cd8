import { expect, test } from 'vitest';
import { periodText, spentText, stateOf, sumText } from './budget-state.ts';

const BUDGET = { currency: 'usd', limit: 10, spent: 2, topped_up: 5, status: 'active' as const };

test('what was added counts with the limit', () => {
  expect(spentText(BUDGET)).toBe('$2.00 of $15.00 spent');
  expect(stateOf({ ...BUDGET, spent: 12 }).text).toBe('active');
  expect(stateOf({ ...BUDGET, spent: 15 })).toEqual({ tone: 'bad', text: 'used up' });
});

test('what is left can be too little for a call', () => {
  expect(stateOf({ ...BUDGET, status: 'exhausted' }).text).toBe('no room for a call');
  expect(stateOf({ ...BUDGET, status: 'exhausted', spent: 15 }).text).toBe('used up');
});

test('the warning shows until the budget is used up, and what somebody set before both', () => {
  expect(stateOf({ ...BUDGET, soft_limit: 2 }).text).toBe('over the warning');
  expect(stateOf({ ...BUDGET, soft_limit: 2, spent: 20 }).text).toBe('used up');
  expect(stateOf({ ...BUDGET, status: 'paused', spent: 20 }).text).toBe('paused');
});

test('small sums of money keep two digits, and tokens are whole', () => {
  expect([sumText(0.00042, 'usd'), sumText(0, 'usd'), sumText(1_234_567, 'tokens')]).toEqual(['$0.00042', '$0.00', '1,234,567 tokens']);
});

test('periods are read as words', () => {
  expect(
    [
      undefined,
      { type: 'calendar', unit: 'month' } as const,
      { type: 'rolling', window: '7d' } as const,
      { type: 'duration', seconds: 5_400 } as const,
    ].map(periodText),
  ).toEqual(['Once, without an end', 'Anew each month', 'In any 7d', 'For 2 h']);
});
