import type { Usage } from './conversation-types.ts';

const NUMBER = new Intl.NumberFormat('en');
const SMALL = new Intl.NumberFormat('en', { style: 'currency', currency: 'USD', maximumSignificantDigits: 2 });
const MONEY = new Intl.NumberFormat('en', { style: 'currency', currency: 'USD' });

export const number = (value: number): string => NUMBER.format(value);

export function tokensText({ input_tokens: input, output_tokens: output }: Usage): string {
  return `${number(input + output)} tokens`;
}

/** What is known best of the cost; null when nothing is. */
function costUsd(usage: Usage): number | null {
  return usage.effective_cost_usd ?? usage.actual_cost_usd ?? usage.estimated_cost_usd ?? null;
}

export function costText(usage: Usage): string | null {
  const usd = costUsd(usage);
  if (usd === null) return null;
  return usd !== 0 && usd < 1 ? SMALL.format(usd) : MONEY.format(usd);
}
