import { isAbsolute, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { createCapabilityRegistry, type Capability, type CapabilityRegistry } from '@everruns/agent/capability';
import { withAnnounced } from './announced.ts';
import { builtInCapabilities } from './index.ts';

/**
 * The built-in capabilities and those of the named modules: a path (relative ones from the working directory), a `file:` address or a
 * package name; then what is only announced. Such a module exports `capabilities`. Throws one readable error that names the module.
 */
export async function loadCapabilities(modules: readonly string[]): Promise<CapabilityRegistry> {
  const loaded = await Promise.all(modules.map(loadModule));
  return createCapabilityRegistry(withAnnounced([...builtInCapabilities, ...loaded.flat()]));
}

async function loadModule(specifier: string): Promise<Capability[]> {
  const isPath = specifier.startsWith('.') || isAbsolute(specifier);
  let exported: { capabilities?: unknown };
  try {
    exported = (await import(isPath ? pathToFileURL(resolve(specifier)).href : specifier)) as { capabilities?: unknown };
  } catch (error) {
    throw new Error(`The capability module "${specifier}" could not be loaded: ${(error as Error).message}`, { cause: error });
  }
  const { capabilities } = exported;
  if (!Array.isArray(capabilities) || !capabilities.every(isCapability)) {
    throw new Error(`The capability module "${specifier}" must export "capabilities", a list of { info, resolve }.`);
  }
  return capabilities;
}

function isCapability(value: unknown): value is Capability {
  const candidate = value as Partial<Capability> | null;
  return (
    typeof candidate === 'object' && candidate !== null && typeof candidate.info?.id === 'string' && typeof candidate.resolve === 'function'
  );
}
