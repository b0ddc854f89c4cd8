import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

/**
 * Three kinds of tests by file name: `*.test.ts` is pure (milliseconds, no process, no database), `*.contract.ts` runs against
 * a real PostgreSQL or a real wire, `*.system.ts` starts real processes. Files share a process, and with it what they import: no module keeps
 * anything at its top, and loading them anew for each file took a third of the time.
 */
const shared = {
  environment: 'node',
  passWithNoTests: false,
  isolate: false,
  /** Machines that run tests are busy: what is waited for has its time. */
  expect: { poll: { timeout: 10_000 } },
  /** For the processes that tests start: as the commands have it. */
  env: { NODE_COMPILE_CACHE: join(import.meta.dirname, '.cache', 'node') },
} as const;

export default defineConfig({
  test: {
    projects: [
      { test: { ...shared, name: 'pure', include: ['{packages,apps,bench,scripts}/**/*.test.ts'] } },
      {
        test: {
          ...shared,
          name: 'contract',
          globalSetup: ['packages/testing/src/postgres-run.ts'],
          include: ['{packages,apps}/**/*.contract.ts'],
          testTimeout: 30_000,
          hookTimeout: 60_000,
          maxWorkers: 2,
        },
      },
      {
        test: {
          ...shared,
          name: 'system',
          globalSetup: ['packages/testing/src/postgres-run.ts'],
          include: ['{packages,apps,bench}/**/*.system.ts'],
          testTimeout: 180_000,
          hookTimeout: 120_000,
          maxWorkers: 1,
          fileParallelism: false,
        },
      },
    ],
  },
});
