import type { Controls, ModelProfile } from '@everruns/contract';
import type { ModelUsage } from '../model.ts';

type Price = Pick<NonNullable<ModelProfile['cost']>, 'input' | 'output' | 'cache_read' | 'cache_write'>;

const PER_TOKENS = 1_000_000;
/** Sums of prices are told to a ten-millionth of a cent. */
const DIGITS = 1e9;

/**
 * US dollars of one call, or undefined when its price is not known. Tokens that the provider's cache gave or took have prices of their own;
 * where a profile names none, they cost what other input costs. A call whose input is above a tier's bound pays that tier's prices for
 * all of its tokens, as the vendors bill it.
 */
export function costOf(profile: ModelProfile | undefined, usage: ModelUsage, speed?: Controls['speed']): number | undefined {
  const price = priceOf(profile, usage.inputTokens, speed);
  if (price === undefined) return undefined;
  const read = usage.cacheReadTokens ?? 0;
  const written = usage.cacheCreationTokens ?? 0;
  const plain = Math.max(0, usage.inputTokens - read - written);
  const dollars =
    plain * price.input +
    read * (price.cache_read ?? price.input) +
    written * (price.cache_write ?? price.input) +
    usage.outputTokens * price.output;
  return Math.round((dollars / PER_TOKENS) * DIGITS) / DIGITS;
}

/** Another speed than the standard one is only known by a price of its own. */
function priceOf(profile: ModelProfile | undefined, inputTokens: number, speed: Controls['speed']): Price | undefined {
  if (speed !== undefined && speed !== 'default') return profile?.speed?.values.find(({ value }) => value === speed)?.cost;
  const cost = profile?.cost;
  const tiers = cost?.cost_tiers?.filter(({ above_tokens }) => inputTokens > above_tokens) ?? [];
  return (
    tiers.reduce<(Price & { above_tokens?: number }) | undefined>(
      (best, tier) => (best === undefined || tier.above_tokens > (best.above_tokens ?? 0) ? tier : best),
      undefined,
    ) ?? cost
  );
}
