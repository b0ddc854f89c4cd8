import { spawnSync } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { StartError } from '../errors.ts';

/** A system user that PostgreSQL runs as instead of root, which it refuses to be. */
export interface Account {
  name: string;
  uid: number;
  gid: number;
}

/** PostgreSQL reads its own variables (`PGDATA`, `PGPORT`, ...) and the locale: it gets neither from the caller. */
export const POSTGRES_ENVIRONMENT: NodeJS.ProcessEnv = { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };

/**
 * The account for a data directory: undefined when this process is no root and runs PostgreSQL as itself. An existing directory keeps its
 * owner, whatever accounts were made since.
 */
export async function accountFor(dataDir: string): Promise<Account | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const owner = await stat(dataDir).catch(() => undefined); // absent: a new one
  const names = owner === undefined || owner.uid === 0 ? ['postgres', 'nobody'] : [String(owner.uid)];
  for (const name of names) {
    const account = lookUp(name);
    if (account !== undefined) return account;
  }
  throw new StartError(
    `PostgreSQL does not run as root, and this system has no user ${names.join(' or ')}: make one, or start Everruns as an ordinary user.`,
  );
}

function lookUp(name: string): Account | undefined {
  const ask = (flags: string) => spawnSync('id', [flags, name], { encoding: 'utf8', env: POSTGRES_ENVIRONMENT });
  const [user, uid, gid] = [ask('-un'), ask('-u'), ask('-g')];
  if (user.status !== 0 || uid.status !== 0 || gid.status !== 0) return undefined;
  return { name: user.stdout.trim(), uid: Number(uid.stdout), gid: Number(gid.stdout) };
}

/** How to run a program as the account; the own user when there is none. */
export function runAs(account: Account | undefined): { uid?: number; gid?: number; cwd: string; env: NodeJS.ProcessEnv } {
  const base = { cwd: '/', env: POSTGRES_ENVIRONMENT };
  return account === undefined ? base : { ...base, uid: account.uid, gid: account.gid };
}

/** Tried as the account itself: mode bits alone know nothing of access lists and mounts. */
export function canEnter(directory: string, account: Account | undefined): boolean {
  return spawnSync('/bin/sh', ['-c', 'cd -- "$0"', directory], { ...runAs(account), stdio: 'ignore' }).status === 0;
}
