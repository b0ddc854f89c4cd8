import { lstat, mkdir } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { StartError } from '../errors.ts';
import { canEnter, type Account } from './account.ts';

/**
 * A directory of ours outside of the project that the account can enter: for programs and data that it can't reach below a private
 * folder. The first that works; one that belongs to somebody else is never used.
 */
export async function openStore(account: Account | undefined): Promise<string> {
  const places =
    process.getuid?.() === 0 ? ['/var/lib/everruns', '/var/tmp/everruns'] : [join(tmpdir(), `everruns-of-${userInfo().username}`)];
  for (const place of places) {
    await mkdir(dirname(place), { recursive: true }).catch(() => undefined); // the next line finds out
    await mkdir(place, { mode: 0o755 }).catch(() => undefined);
    const found = await lstat(place).catch(() => undefined);
    const ours = found?.isDirectory() === true && found.uid === process.getuid?.() && (found.mode & 0o022) === 0;
    if (ours && canEnter(place, account)) return place;
  }
  throw new StartError(
    `PostgreSQL runs as the user ${account?.name ?? userInfo().username}, which can enter neither this project nor ${places.join(' nor ')}.`,
  );
}
