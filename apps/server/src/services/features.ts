import { canonicalCapabilityId } from '@everruns/agent';
import type { Capability, CapabilityRegistry } from '@everruns/agent';

export interface FeatureDeps {
  registry: CapabilityRegistry;
  offers: (capability: Capability) => boolean;
}

/** Starter files need a place that people can see. */
const FILE_SYSTEM = 'session_file_system';

/**
 * The switches of a user interface that a session has: those of its capabilities and of everything that comes along with them, each once. What
 * contributes nothing (unknown, coming soon, retired, not offered here) has none.
 */
export function featuresOf(refs: readonly string[], hasFiles: boolean, { registry, offers }: FeatureDeps): string[] {
  const seen = new Set<string>();
  const features = new Set<string>();
  const open = [...refs, ...(hasFiles ? [FILE_SYSTEM] : [])];
  for (let next = open.shift(); next !== undefined; next = open.shift()) {
    const id = canonicalCapabilityId(next);
    const capability = seen.has(id) ? undefined : registry.get(id);
    seen.add(id);
    if (capability === undefined || !offers(capability)) continue;
    const { status, features: own, dependencies } = capability.info;
    if (status !== 'available' && status !== 'deprecated') continue;
    for (const feature of own) features.add(feature);
    open.push(...dependencies);
  }
  return [...features];
}
