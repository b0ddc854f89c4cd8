import { chmod, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isPostmasterOf, readPostmasterFile } from 'everruns/postgres/postmaster-file';
import { isAlive, signal, waitUntilGone } from 'everruns/processes/identity';

const PREFIX = 'everruns-cluster-';
const OWNER = 'owner';

/** A home for a cluster that is known by the process that owns it. */
export async function makeClusterHome(): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), PREFIX));
  await chmod(home, 0o755); // PostgreSQL may run as another user
  await writeFile(join(home, OWNER), String(process.pid));
  return home;
}

/**
 * Ends and removes what killed test runs left behind. Servers and workers end with the run that started them; PostgreSQL survives everything,
 * which is its job.
 */
export async function removeOrphanedClusters(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    if (!name.startsWith(PREFIX)) continue;
    const home = join(tmpdir(), name);
    const owner = Number(await readFile(join(home, OWNER), 'utf8').catch(() => Number.NaN));
    if (Number.isNaN(owner) || isAlive(owner)) continue; // just being made, or in use
    await endPostgres(join(home, 'postgres'));
    await rm(home, { recursive: true, force: true });
  }
}

async function endPostgres(dataDir: string): Promise<void> {
  const file = await readPostmasterFile(dataDir).catch(() => undefined);
  if (file === undefined || !isPostmasterOf(file.pid, dataDir)) return;
  signal(file.pid, 'SIGQUIT');
  await waitUntilGone(() => !isAlive(file.pid), 5_000);
}
