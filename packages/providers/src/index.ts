export { builtinDrivers } from './builtin.ts';
export type { DriverDependencies } from './dependencies.ts';
export { defineDriver, type ModelDriver } from './driver.ts';
export { loadDriverModules } from './modules.ts';
export { canonicalProviderType } from './provider-type.ts';
export { createModelRegistry, type ModelRegistryOptions } from './registry.ts';
