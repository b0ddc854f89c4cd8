import { RUN_VARIABLE, stopUnusedServer } from './postgres.ts';

/** vitest's global set-up: the shared server starts with the first test that asks for a database, and ends with the run. */
export function setup(): void {
  process.env[RUN_VARIABLE] = String(process.pid);
}

export async function teardown(): Promise<void> {
  await stopUnusedServer();
}
