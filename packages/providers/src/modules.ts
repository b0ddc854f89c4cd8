import { isAbsolute, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { ModelDriver } from './driver.ts';

/**
 * Loads drivers from modules named in the configuration: a path (relative ones from `directory`), a `file:` address or a package name.
 * Such a module exports `driver` or `drivers`. Throws one readable error that names the module.
 */
export async function loadDriverModules(specifiers: readonly string[], directory = process.cwd()): Promise<ModelDriver[]> {
  const loaded = await Promise.all(specifiers.map((specifier) => loadOne(specifier, directory)));
  return loaded.flat();
}

async function loadOne(specifier: string, directory: string): Promise<ModelDriver[]> {
  const exported = await importModule(specifier, directory);
  const drivers = [exported['driver'] ?? exported['drivers'] ?? []].flat();
  if (drivers.length === 0 || !drivers.every(isModelDriver)) {
    throw new Error(`The driver module "${specifier}" must export "driver" or "drivers", each { id, create(endpoint) }.`);
  }
  return drivers;
}

async function importModule(specifier: string, directory: string): Promise<Record<string, unknown>> {
  const isPath = specifier.startsWith('.') || isAbsolute(specifier);
  const target = isPath ? pathToFileURL(resolve(directory, specifier)).href : specifier;
  try {
    return (await import(target)) as Record<string, unknown>;
  } catch (error) {
    throw new Error(`The driver module "${specifier}" could not be loaded: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}

function isModelDriver(value: unknown): value is ModelDriver {
  const driver = value as Partial<ModelDriver> | null;
  return typeof driver === 'object' && driver !== null && typeof driver.id === 'string' && typeof driver.create === 'function';
}
