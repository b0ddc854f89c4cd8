import type { Model, Provider } from './queries.ts';

export const TYPES: Readonly<Record<string, string>> = {
  openai: 'OpenAI',
  openai_completions: 'OpenAI-compatible',
  anthropic: 'Anthropic',
  google: 'Google Gemini',
  llmsim: 'Simulated',
};

/** Only these have an address of their own. */
export const ADDRESSED: ReadonlySet<string> = new Set(['openai_completions', 'openai', 'anthropic', 'google']);

/** What the organization has to do next until answers are real. */
export type NextStep = 'add-key' | 'choose-default' | 'nothing';

export function nextStep(models: readonly Model[], defaultModelId: string | undefined): NextStep {
  const real = models.filter(({ provider_type, healthy, enabled }) => provider_type !== 'llmsim' && healthy && enabled);
  if (real.length === 0) return 'add-key';
  const chosen = models.find(({ id }) => id === defaultModelId);
  return chosen === undefined ? 'choose-default' : 'nothing';
}

export function stateOf({ status, provider_type, api_key_set }: Provider): { tone: 'plain' | 'good' | 'warn'; text: string } {
  if (status === 'disabled') return { tone: 'warn', text: 'disabled' };
  if (provider_type === 'llmsim') return { tone: 'plain', text: 'simulated' };
  return api_key_set ? { tone: 'good', text: 'key set' } : { tone: 'plain', text: 'no key' };
}

/** `1,000,000` tokens are `1M`. */
export function tokens(count: number): string {
  return new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 }).format(count);
}

/** Favourites first, then as they are called; what is gone at the provider last. */
export function inOrder(models: readonly Model[]): Model[] {
  const rank = ({ stale, is_favorite }: Model): number => (stale === true ? 2 : is_favorite ? 0 : 1);
  return models.toSorted((one, other) => rank(one) - rank(other) || one.display_name.localeCompare(other.display_name));
}
