import { readFile, writeFile } from 'node:fs/promises';
import { readlinkSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { isAlive } from '../processes/identity.ts';

/** What `postmaster.pid` in a data directory says. */
export interface PostmasterFile {
  pid: number;
  port: number;
  socketDir: string;
  /** `ready` once connections are accepted. */
  status: string;
}

/** Undefined when there is none, or when it is half written. */
export function parsePostmasterFile(text: string): PostmasterFile | undefined {
  const lines = text.split('\n');
  const pid = Number(lines[0]);
  if (!Number.isSafeInteger(pid) || pid <= 0) return undefined;
  return { pid, port: Number(lines[3]), socketDir: lines[4] ?? '', status: lines[7]?.trim() ?? '' };
}

export async function readPostmasterFile(dataDir: string): Promise<PostmasterFile | undefined> {
  const text = await readFile(join(dataDir, 'postmaster.pid'), 'utf8').catch(() => ''); // gone is the normal case
  return parsePostmasterFile(text);
}

/** True when the process is the server of this (resolved) directory: a server works in its data directory. */
export function isPostmasterOf(pid: number, dataDir: string): boolean {
  if (!isAlive(pid)) return false;
  if (process.platform !== 'linux')
    return spawnSync('ps', ['-o', 'comm=', '-p', String(pid)], { encoding: 'utf8' }).stdout.includes('postgres');
  try {
    return readlinkSync(`/proc/${pid}/cwd`) === dataDir;
  } catch {
    return false; // another user's process, or gone
  }
}

const NO_PROCESS = 2_147_483_646;

/**
 * PostgreSQL refuses to start while the number in a left-over file belongs to any living process, though it may be a stranger (numbers start
 * anew with a container). Only the number is replaced: the rest guards against back-ends that outlived their server.
 */
export async function disownStranger(dataDir: string): Promise<void> {
  const file = join(dataDir, 'postmaster.pid');
  const text = await readFile(file, 'utf8').catch(() => undefined);
  if (text !== undefined) await writeFile(file, text.replace(/^.*/, String(NO_PROCESS)));
}
