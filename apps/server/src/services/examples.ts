import type { CapabilityRegistry } from '@everruns/agent';
import { PlatformError } from '@everruns/contract';
import type { CapabilityRef, Example } from '@everruns/contract';
import { isOffered } from './capability-rules.ts';
import type { Grade } from './model-resolution.ts';

interface NamedExample {
  name: string;
  displayName: string;
  description: string;
  capabilities: CapabilityRef[];
  tags: string[];
}

/** What a deployment has: which capabilities work here, and its grade. */
export interface Deployment {
  registry: CapabilityRegistry;
  grade: Grade;
}

/** The examples whose capabilities all work in this deployment. */
export function offeredExamples<T extends NamedExample>(examples: readonly T[], deployment: Deployment): T[] {
  return examples.filter((example) => missingFrom(example, deployment) === null);
}

/** Throws `not_found`, and `capability_unavailable` for an example that needs what this deployment does not have. */
export function requireExample<T extends NamedExample>(examples: readonly T[], name: string, deployment: Deployment): T {
  const example = examples.find((candidate) => candidate.name === name);
  if (example === undefined) throw new PlatformError('not_found', `There is no example "${name}".`, { field: 'from-example' });
  const missing = missingFrom(example, deployment);
  if (missing === null) return example;
  const text = `The example "${name}" needs the capability "${missing}", which this deployment does not offer.`;
  throw new PlatformError('capability_unavailable', text, { field: 'from-example' });
}

export function presentExample(example: NamedExample, { registry }: Deployment, parent?: string): Example {
  return {
    name: example.name,
    display_name: example.displayName,
    description: example.description,
    ...(parent !== undefined && { parent_name: parent }),
    capabilities: example.capabilities,
    tags: example.tags,
    dev_only: example.capabilities.some(({ ref }) => registry.get(ref)?.info.experimental === true),
  };
}

function missingFrom({ capabilities }: NamedExample, { registry, grade }: Deployment): string | null {
  const works = ({ ref }: CapabilityRef): boolean => {
    const capability = registry.get(ref);
    if (capability === undefined || !isOffered(capability, grade)) return false;
    return capability.info.status === 'available' || capability.info.status === 'deprecated';
  };
  return capabilities.find((ref) => !works(ref))?.ref ?? null;
}
