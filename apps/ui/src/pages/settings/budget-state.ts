import type { Schemas } from '../../data/queries.ts';
import { dollarsText, wholeText } from './usage-words.ts';

type Budget = Schemas['Budget'];
type Tone = 'plain' | 'good' | 'warn' | 'bad';
type Money = Pick<Budget, 'currency' | 'limit' | 'spent' | 'topped_up' | 'soft_limit' | 'status'>;

export function sumText(amount: number, currency: string): string {
  return currency === 'usd' ? dollarsText(amount) : `${wholeText(amount)} ${currency}`;
}

/** What may be spent at all. */
export const wholeOf = ({ limit, topped_up: added }: Money): number => limit + added;

export function spentText(budget: Money): string {
  return `${sumText(budget.spent, budget.currency)} of ${sumText(wholeOf(budget), budget.currency)} spent`;
}

export function stateOf(budget: Money): { tone: Tone; text: string } {
  const { status, spent, soft_limit: soft } = budget;
  if (status === 'disabled') return { tone: 'plain', text: 'disabled' };
  if (status === 'paused') return { tone: 'warn', text: 'paused' };
  if (spent >= wholeOf(budget)) return { tone: 'bad', text: 'used up' };
  // Something is left, and the next call may need more than that.
  if (status === 'exhausted') return { tone: 'bad', text: 'no room for a call' };
  if (soft !== undefined && spent >= soft) return { tone: 'warn', text: 'over the warning' };
  return { tone: 'good', text: 'active' };
}

const UNITS = { hour: 'hour', day: 'day', week: 'week', month: 'month', year: 'year' } as const;

export function periodText(period: Budget['period']): string {
  if (period === undefined) return 'Once, without an end';
  if (period.type === 'calendar') return `Anew each ${UNITS[period.unit]}`;
  if (period.type === 'rolling') return `In any ${period.window}`;
  const hours = period.seconds / 3_600;
  return hours >= 1 ? `For ${wholeText(Math.round(hours))} h` : `For ${wholeText(Math.round(period.seconds / 60))} min`;
}

/** What can be chosen, as the server names it. */
export const PERIOD_CHOICES: readonly { value: string; label: string; period: NonNullable<Budget['period']> | null }[] = [
  { value: '', label: 'Once, without an end', period: null },
  { value: 'day', label: 'Anew each day', period: { type: 'calendar', unit: 'day' } },
  { value: 'week', label: 'Anew each week', period: { type: 'calendar', unit: 'week' } },
  { value: 'month', label: 'Anew each month', period: { type: 'calendar', unit: 'month' } },
  { value: '24h', label: 'In any 24 hours', period: { type: 'rolling', window: '24h' } },
  { value: '30d', label: 'In any 30 days', period: { type: 'rolling', window: '30d' } },
];
