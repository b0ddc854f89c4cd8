import { anthropicDriver } from './anthropic/driver.ts';
import type { DriverDependencies } from './dependencies.ts';
import type { ModelDriver } from './driver.ts';
import { googleDriver } from './google/driver.ts';
import { llmsimDriver } from './llmsim/driver.ts';
import { openaiCompletionsDriver } from './openai-completions/driver.ts';
import { openaiDriver } from './openai/driver.ts';

/** The drivers that come with the product. A worker adds its configured modules and gives the list to `createModelRegistry`. */
export function builtinDrivers(dependencies: DriverDependencies = {}): ModelDriver[] {
  return [
    openaiDriver(dependencies),
    openaiCompletionsDriver(dependencies),
    anthropicDriver(dependencies),
    googleDriver(dependencies),
    llmsimDriver(),
  ];
}
