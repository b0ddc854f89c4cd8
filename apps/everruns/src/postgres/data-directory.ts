import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, chown, lstat, mkdir, mkdtemp, readdir, realpath, rename, rm, rmdir, symlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { errorCode, StartError } from '../errors.ts';
import { isAlive } from '../processes/identity.ts';
import { canEnter, runAs, type Account } from './account.ts';
import { openStore } from './store.ts';

export interface InitializeOptions {
  /** Where the data is asked for. It becomes a link when the account can't enter its parent. */
  dataDir: string;
  account: Account | undefined;
  initdb: string;
  /** Of the superuser, for TCP. Without one only the Unix socket lets anybody in. */
  password: string | undefined;
  /** False leaves the new files to the system's cache: for data that may be lost. */
  sync: boolean;
}

export const SUPERUSER = 'everruns';

/**
 * Returns the resolved data directory, with a new cluster in it when there was none. A cluster appears by one rename, so an
 * interrupted start leaves none behind, and of two starts at once one wins and the other uses what it made.
 */
export async function prepareDataDirectory(options: InitializeOptions): Promise<string> {
  const { dataDir, account } = options;
  await removeDrafts(dataDir);
  const found = await findCluster(dataDir);
  if (found !== undefined) return canEnter(found, account) ? found : relocate(found, options);
  await mkdir(dirname(dataDir), { recursive: true });
  if (canEnter(dirname(dataDir), account)) await createCluster(dataDir, options);
  else await createLinkedCluster(options);
  return realpath(dataDir);
}

/** The resolved directory of an existing cluster; undefined when nothing is there, or an empty directory. */
async function findCluster(dataDir: string): Promise<string | undefined> {
  const entry = await lstat(dataDir).catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  });
  if (entry === undefined) return undefined;
  const resolved = await realpath(dataDir).catch(() => undefined);
  if (resolved === undefined)
    throw new StartError(`${dataDir} is a link to a place that is gone: bring the data back, or remove the link to begin with none.`);
  const names = await readdir(resolved);
  if (names.length === 0 && !entry.isSymbolicLink()) return undefined;
  if (!names.includes('PG_VERSION')) throw new StartError(`${dataDir} holds something that is not a PostgreSQL data directory.`);
  return resolved;
}

async function createCluster(target: string, options: InitializeOptions): Promise<void> {
  const draft = await mkdtemp(`${target}.new-${process.pid}-`);
  try {
    await runInitdb(draft, options);
    await rename(draft, target);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    if (errorCode(error) !== 'ENOTEMPTY' && errorCode(error) !== 'EEXIST') throw error; // else another start was faster
  }
}

/** The project lies below a folder that the account may not enter: the data goes elsewhere, and `dataDir` points to it. */
async function createLinkedCluster(options: InitializeOptions): Promise<void> {
  const place = join(await openStore(options.account), `data-${randomBytes(6).toString('hex')}`);
  await createCluster(place, options);
  await rmdir(options.dataDir).catch(() => undefined); // at most an empty directory; anything else fails the link
  await linkTo(place, options.dataDir).catch(async (error: unknown) => {
    await rm(place, { recursive: true, force: true });
    if (errorCode(error) !== 'EEXIST') throw error; // else another start was faster
  });
}

/** A project with data was moved below a private folder. */
async function relocate(cluster: string, { account, dataDir }: InitializeOptions): Promise<string> {
  const place = join(await openStore(account), `data-${randomBytes(6).toString('hex')}`);
  await rename(cluster, place).catch((error: unknown) => {
    if (errorCode(error) !== 'EXDEV') throw error;
    throw new StartError(
      `PostgreSQL runs as the user ${account?.name ?? ''}, which cannot enter ${dirname(cluster)}: move ${basename(cluster)} to ${place} and link it.`,
    );
  });
  await linkTo(place, dataDir);
  return realpath(place);
}

async function linkTo(place: string, dataDir: string): Promise<void> {
  await symlink(place, dataDir);
  await writeFile(`${place}.home`, `${dataDir}\n`); // for whoever wonders later whose data this is
}

async function runInitdb(directory: string, { account, initdb, password, sync }: InitializeOptions): Promise<void> {
  await chmod(directory, 0o700);
  if (account !== undefined) await chown(directory, account.uid, account.gid);
  const args = [`--pgdata=${directory}`, `--username=${SUPERUSER}`, '--encoding=UTF8', '--no-locale', '--locale-provider=builtin'];
  args.push('--builtin-locale=C.UTF-8', '--auth-local=trust', '--no-instructions');
  const passwordFile = `${directory}.password`;
  if (password === undefined) args.push('--auth-host=reject');
  else args.push('--auth-host=scram-sha-256', `--pwfile=${passwordFile}`);
  if (!sync) args.push('--no-sync');
  try {
    if (password !== undefined) {
      await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
      if (account !== undefined) await chown(passwordFile, account.uid, account.gid);
    }
    await runToEnd(initdb, args, account);
  } finally {
    await rm(passwordFile, { force: true });
  }
}

function runToEnd(program: string, args: string[], account: Account | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { ...runAs(account), stdio: ['ignore', 'ignore', 'pipe'] });
    let output = '';
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve();
      else reject(new StartError(`PostgreSQL's data directory could not be made: ${lastLine(output)}`));
    });
  });
}

function lastLine(text: string): string {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return (lines.find((line) => line.startsWith('initdb: error')) ?? lines.at(-1) ?? 'no message').replace(/^initdb: error: /, '');
}

/** Removes a cluster that no server runs on, wherever it really is. */
export async function removeDataDirectory(dataDir: string): Promise<void> {
  const resolved = await realpath(dataDir).catch(() => dataDir); // nothing there
  await rm(dataDir, { recursive: true, force: true });
  if (resolved === dataDir) return;
  await rm(resolved, { recursive: true, force: true });
  await rm(`${resolved}.home`, { force: true });
}

/** What an interrupted start left: `postgres.new-<pid>-xxxxxx`. */
async function removeDrafts(dataDir: string): Promise<void> {
  const prefix = `${basename(dataDir)}.new-`;
  for (const name of await readdir(dirname(dataDir)).catch(() => [])) {
    if (name.startsWith(prefix) && !isAlive(Number.parseInt(name.slice(prefix.length), 10))) {
      await rm(join(dirname(dataDir), name), { recursive: true, force: true });
    }
  }
}
