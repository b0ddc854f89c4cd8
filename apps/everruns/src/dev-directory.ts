import { chmod, lstat, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { explainRefusals } from './errors.ts';
import { destroyCluster } from './postgres/destroy.ts';
import { identify, isRunning, type ProcessIdentity } from './processes/identity.ts';

/** A place for data that ends with this process. */
export interface DevDirectory {
  path: string;
  dataDir: string;
  remove(): Promise<void>;
}

const PREFIX = 'everruns-dev-';
const OWNER_FILE = 'owner.json';
/** A directory without an owner may belong to a start of this moment. */
const FRESH_MS = 60_000;

/** Makes a directory, and removes those whose processes were killed: their data, and PostgreSQL servers that still run on them. */
export async function openDevDirectory(): Promise<DevDirectory> {
  await removeOrphans();
  const path = await explainRefusals(`make a directory in ${tmpdir()}`, () => mkdtemp(join(tmpdir(), PREFIX)));
  await writeFile(join(path, OWNER_FILE), JSON.stringify(identify(process.pid)), { mode: 0o600 });
  await chmod(path, 0o711); // as root the server's own user must pass through
  return { path, dataDir: join(path, 'postgres'), remove: () => remove(path) };
}

async function removeOrphans(): Promise<void> {
  for (const name of await readdir(tmpdir()).catch(() => [])) {
    const path = join(tmpdir(), name);
    if (name.startsWith(PREFIX) && (await isOrphan(path))) await remove(path);
  }
}

async function isOrphan(path: string): Promise<boolean> {
  const found = await lstat(path).catch(() => undefined); // another start has just removed it
  if (found?.isDirectory() !== true || found.uid !== process.getuid?.()) return false;
  const text = await readFile(join(path, OWNER_FILE), 'utf8').catch(() => '');
  if (text === '') return Date.now() - found.mtimeMs > FRESH_MS;
  return !isRunning(JSON.parse(text) as ProcessIdentity);
}

async function remove(path: string): Promise<void> {
  await destroyCluster(join(path, 'postgres'));
  await rm(path, { recursive: true, force: true });
}
