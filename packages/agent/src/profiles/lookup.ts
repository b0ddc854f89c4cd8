import type { ModelProfile, ModelProfileOverride } from '@everruns/contract';
import { MODEL_PROFILES, type ProfileEntry } from './data.ts';

/** A model as its row says it, with the provider that it belongs to. */
export interface ModelIdentity {
  /** Wire protocol of the provider. */
  providerType: string;
  /** Name at the provider. */
  model: string;
  /** The provider's own address, when it is not the vendor's. */
  baseUrl?: string | null | undefined;
}

/** Family of a model that has no built-in profile. */
export const UNKNOWN_FAMILY = 'unknown';

/** Dates and channels that vendors append to a name: `-2025-08-07`, `-20250929`, `@20250929`, `-preview-09-2025`, `-001`, `-latest`. */
const SUFFIX = /(-\d{4}-\d{2}-\d{2}|[-@]\d{8}|-preview(-\d{2}-\d{2,4})?|-exp(-\d{4})?|-\d{3}|-latest)$/;

const VENDOR_OF: Readonly<Record<string, ProfileEntry['vendor']>> = {
  openai: 'openai',
  openai_completions: 'openai',
  anthropic: 'anthropic',
  google: 'google',
  llmsim: 'llmsim',
};

/**
 * The built-in profile of a model, or undefined for one that is not known. Behind an address of its own, Chat Completions may be anybody's
 * server with names and prices of its own: nothing is known of those.
 */
export function profileOf({ providerType, model, baseUrl }: ModelIdentity): ModelProfile | undefined {
  const vendor = VENDOR_OF[providerType];
  if (vendor === undefined || (providerType === 'openai_completions' && baseUrl != null)) return undefined;
  const names = namesOf(model);
  return MODEL_PROFILES.find((entry) => entry.vendor === vendor && names.some((name) => matches(entry.model, name)))?.profile;
}

/**
 * What holds for a model row: the built-in profile with the organization's own facts over it, field by field. Undefined when nothing is
 * known at all.
 */
export function effectiveProfile(identity: ModelIdentity, override: ModelProfileOverride | null | undefined): ModelProfile | undefined {
  const known = profileOf(identity);
  if (override == null || Object.keys(override).length === 0) return known;
  return { ...(known ?? unknownModel(identity.model)), ...withoutUndefined(override) };
}

/** A model of which only the organization knows something is not kept from anything. */
function unknownModel(name: string): ModelProfile {
  return {
    name,
    family: UNKNOWN_FAMILY,
    attachment: true,
    reasoning: true,
    structured_output: false,
    temperature: true,
    tool_call: true,
    open_weights: false,
  };
}

/** The name itself first, then without what was appended to it, one suffix after the other. */
function namesOf(model: string): string[] {
  const names = [model.replace(/^models\//, '').toLowerCase()];
  for (let name = names[0] as string; SUFFIX.test(name); names.push(name)) name = name.replace(SUFFIX, '');
  return names;
}

function matches(pattern: string, name: string): boolean {
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : pattern === name;
}

function withoutUndefined(override: ModelProfileOverride): Partial<ModelProfile> {
  return Object.fromEntries(Object.entries(override).filter(([, value]) => value !== undefined));
}
