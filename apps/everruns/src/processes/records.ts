import { rename, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isRunning, signal, waitUntilGone, type ProcessIdentity } from './identity.ts';

/** Which processes belong to a running local Everruns, and where it serves. Kept in its home for the next start and for further workers. */
export interface ProcessRecords {
  supervisor: ProcessIdentity;
  children: Record<string, ProcessIdentity>;
  http: string;
  grpc: string;
}

const FILE = 'processes.json';
/** They notice by themselves that their parent has gone; one whose event loop is blocked does not. */
const NOTICE_MS = 2_000;

export async function readRecords(home: string): Promise<ProcessRecords | undefined> {
  const text = await readFile(join(home, FILE), 'utf8').catch(() => undefined); // none yet
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as ProcessRecords;
  } catch {
    return undefined; // never half written, but people edit files
  }
}

export async function writeRecords(home: string, records: ProcessRecords): Promise<void> {
  const draft = join(home, `${FILE}.${process.pid}`);
  await writeFile(draft, `${JSON.stringify(records, null, 2)}\n`, { mode: 0o600 });
  await rename(draft, join(home, FILE));
}

/**
 * Ends the processes of a predecessor that was killed; they hold its ports. Only for the owner of the data: nobody else's children are meant.
 * Returns how many were left.
 */
export async function endOrphans(records: ProcessRecords | undefined): Promise<number> {
  const orphans = Object.values(records?.children ?? {}).filter(isRunning);
  await Promise.all(
    orphans.map(async (orphan) => {
      const gone = () => !isRunning(orphan);
      if (await waitUntilGone(gone, NOTICE_MS)) return;
      signal(orphan.pid, 'SIGKILL');
      await waitUntilGone(gone, NOTICE_MS);
    }),
  );
  return orphans.length;
}
