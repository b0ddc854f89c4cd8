import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { identify, isRunning, type ProcessIdentity } from 'everruns/processes/identity';

const POLL_MS = 20;
let drafts = 0;

/**
 * Runs `work` while no other process is inside the same file's lock. The lock of a process that was killed is taken over.
 * Throws when a living process keeps it for longer than `waitMs`.
 */
export async function withFileLock<T>(file: string, work: () => Promise<T>, waitMs = 60_000): Promise<T> {
  const deadline = performance.now() + waitMs;
  while (!(await take(file))) {
    await breakStale(file);
    if (performance.now() >= deadline) throw new Error(`${file} has been locked for more than ${waitMs / 1000} s.`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  try {
    return await work();
  } finally {
    await rm(file, { force: true });
  }
}

/** A link appears with its content or not at all: nobody can read a half-written lock. */
async function take(file: string): Promise<boolean> {
  const draft = `${file}.${process.pid}.${(drafts += 1)}`;
  await writeFile(draft, JSON.stringify(identify(process.pid)));
  try {
    await link(draft, file);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

/** Moved away before it is removed: two that break the same lock must not remove the one that a third has taken meanwhile. */
async function breakStale(file: string): Promise<void> {
  const holder = await readHolder(file);
  if (holder === undefined || isRunning(holder)) return;
  const aside = `${file}.${process.pid}.stale`;
  await rename(file, aside).catch(() => undefined); // somebody else has broken it
  const moved = await readHolder(aside);
  if (moved !== undefined && isRunning(moved)) await link(aside, file).catch(() => undefined);
  await rm(aside, { force: true });
}

async function readHolder(file: string): Promise<ProcessIdentity | undefined> {
  const text = await readFile(file, 'utf8').catch(() => undefined); // released meanwhile
  return text === undefined ? undefined : (JSON.parse(text) as ProcessIdentity);
}
