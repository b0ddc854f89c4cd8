import { realpath, rm } from 'node:fs/promises';
import { signal, waitUntilGone } from '../processes/identity.ts';
import { removeDataDirectory } from './data-directory.ts';
import { isPostmasterOf, readPostmasterFile } from './postmaster-file.ts';

const END_MS = 5_000;

/** Ends the server of a data directory, if one runs, and removes all that it had. For data that nobody wants any more. */
export async function destroyCluster(dataDir: string): Promise<void> {
  const resolved = await realpath(dataDir).catch(() => undefined); // never made
  if (resolved === undefined) return;
  const file = await readPostmasterFile(resolved);
  if (file !== undefined) {
    const gone = () => !isPostmasterOf(file.pid, resolved);
    for (const name of ['SIGQUIT', 'SIGKILL'] as const) {
      if (gone()) break;
      signal(file.pid, name);
      await waitUntilGone(gone, END_MS);
    }
    await rm(file.socketDir, { recursive: true, force: true });
  }
  await removeDataDirectory(dataDir);
}
