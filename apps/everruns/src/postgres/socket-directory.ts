import { createHash } from 'node:crypto';
import { chown, lstat, mkdir, readdir, readFile, rm, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StartError } from '../errors.ts';
import { canEnter, type Account } from './account.ts';
import { isPostmasterOf } from './postmaster-file.ts';

/** The shortest limit of the systems we run on, less the final zero. */
const MAX_SOCKET_PATH = 103;

/**
 * A private directory for the Unix socket with a short path (the system limits it to about 100 characters, which a data directory may
 * exceed). Always the same for one data directory. One that belongs to somebody else is refused: they could listen in it.
 */
export async function openSocketDirectory(dataDir: string, account: Account | undefined): Promise<string> {
  const name = `everruns-${createHash('sha256').update(dataDir).digest('hex').slice(0, 12)}`;
  const own = process.getuid?.();
  for (const parent of new Set([tmpdir(), '/tmp', '/var/tmp'])) {
    const directory = join(parent, name);
    if (`${directory}/.s.PGSQL.65535`.length > MAX_SOCKET_PATH) continue;
    await mkdir(directory, { mode: 0o700 }).catch(() => undefined); // there already, or refused: the next lines find out
    const found = await lstat(directory).catch(() => undefined);
    if (found?.isDirectory() !== true || (found.uid !== own && found.uid !== account?.uid)) continue;
    if (account !== undefined) await chown(directory, account.uid, account.gid);
    if (canEnter(directory, account)) return directory;
    await rmdir(directory).catch(() => undefined); // in use after all
  }
  throw new StartError(`No directory for PostgreSQL's socket can be made in ${tmpdir()} or /tmp.`);
}

/**
 * A killed server leaves its socket's lock file. PostgreSQL removes one of a dead process itself, but takes a zombie, or a stranger that has the
 * same number now, for alive.
 */
export async function removeStaleSockets(socketDir: string, dataDir: string): Promise<void> {
  for (const name of await readdir(socketDir)) {
    if (!name.endsWith('.lock')) continue;
    const text = await readFile(join(socketDir, name), 'utf8').catch(() => ''); // removed meanwhile
    const pid = Number(text.split('\n')[0]);
    if (text === '' || isPostmasterOf(pid, dataDir)) continue;
    await rm(join(socketDir, name.slice(0, -'.lock'.length)), { force: true });
    await rm(join(socketDir, name), { force: true });
  }
}
