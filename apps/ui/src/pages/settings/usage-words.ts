import type { Schemas } from '../../data/queries.ts';

export type UsageGroup = Schemas['UsageReport']['group_by'];
type Sums = Schemas['UsageReport']['total'];

export const GROUPS: Readonly<Record<UsageGroup, { title: string; none: string }>> = {
  agent: { title: 'Agent', none: 'No agent' },
  harness: { title: 'Harness', none: 'No harness' },
  user: { title: 'User', none: 'Nobody' },
  session: { title: 'Session', none: 'Untitled' },
};

export const MEASURES = { tokens: 'Tokens', cost: 'Cost', sessions: 'Sessions' } as const;
export type Measure = keyof typeof MEASURES;

export const isUsageGroup = (value: unknown): value is UsageGroup => typeof value === 'string' && Object.hasOwn(GROUPS, value);
export const isMeasure = (value: unknown): value is Measure => typeof value === 'string' && Object.hasOwn(MEASURES, value);

const WHOLE = new Intl.NumberFormat('en');
const MONEY = new Intl.NumberFormat('en', { style: 'currency', currency: 'USD' });
const CENTS = new Intl.NumberFormat('en', { style: 'currency', currency: 'USD', maximumSignificantDigits: 2 });

export const wholeText = (value: number): string => WHOLE.format(value);
/** Less than a dollar is told to two digits, however small it is. */
export const dollarsText = (usd: number): string => (usd !== 0 && Math.abs(usd) < 1 ? CENTS : MONEY).format(usd);

export function amountOf({ session_count: sessions, usage }: Sums, measure: Measure): number {
  if (measure === 'sessions') return sessions;
  if (measure === 'cost') return usage.effective_cost_usd ?? usage.actual_cost_usd ?? usage.estimated_cost_usd ?? 0;
  return usage.input_tokens + usage.output_tokens;
}

export function amountText(amount: number, measure: Measure): string {
  return measure === 'cost' ? dollarsText(amount) : wholeText(amount);
}
