import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Which process a number means: after a restart of the machine, or a long time, the same number belongs to another. */
export interface ProcessIdentity {
  pid: number;
  /** When it started, in the system's own spelling. */
  mark: string;
}

/** Undefined when no such process lives. */
export function identify(pid: number): ProcessIdentity | undefined {
  const mark = startMark(pid);
  return mark === undefined ? undefined : { pid, mark };
}

export function isRunning({ pid, mark }: ProcessIdentity): boolean {
  const found = startMark(pid);
  return found !== undefined && found === mark;
}

/** False for a zombie too: where nobody reaps (process 1 of many containers), `kill(pid, 0)` succeeds on one for ever. */
export function isAlive(pid: number): boolean {
  return startMark(pid) !== undefined;
}

function startMark(pid: number): string | undefined {
  if (!Number.isSafeInteger(pid) || pid <= 0) return undefined;
  return process.platform === 'linux' ? startMarkFromProc(pid) : startMarkFromPs(pid);
}

function startMarkFromProc(pid: number): string | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return undefined; // no such process
  }
  // The name in parentheses may hold spaces and parentheses; fields are counted from behind it: state first, start time twentieth.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
}

function startMarkFromPs(pid: number): string | undefined {
  const { stdout } = spawnSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], {
    encoding: 'utf8',
    env: { PATH: process.env.PATH, LC_ALL: 'C' },
  });
  const match = /^\s*(\S+)\s+(.+?)\s*$/m.exec(stdout);
  return match === null || match[1]?.startsWith('Z') === true ? undefined : match[2];
}

/** Resolves when the process has gone (true) or `waitMs` have passed (false). */
export async function waitUntilGone(gone: () => boolean, waitMs: number): Promise<boolean> {
  const deadline = performance.now() + waitMs;
  while (!gone()) {
    if (performance.now() >= deadline) return false;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return true;
}

/** Sends a signal; a process that has gone meanwhile is what the caller wanted. Zero and below would mean whole groups, this process among them. */
export function signal(pid: number, name: NodeJS.Signals): void {
  if (!Number.isSafeInteger(pid) || pid <= 1) throw new Error(`${pid} is not the number of a process that may be signalled.`);
  try {
    process.kill(pid, name);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}
