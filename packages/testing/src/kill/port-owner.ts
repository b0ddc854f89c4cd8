import { readFileSync, readdirSync, readlinkSync } from 'node:fs';

/** Which of these processes has a TCP connection with this local port? Undefined when none has, or the system does not say. */
export function ownerOfPort(port: number, pids: readonly number[]): number | undefined {
  const inodes = new Set(['/proc/net/tcp', '/proc/net/tcp6'].flatMap((table) => socketInodes(table, port)));
  if (inodes.size === 0) return undefined;
  return pids.find((pid) => socketsOf(pid).some((inode) => inodes.has(inode)));
}

function socketInodes(table: string, port: number): string[] {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0');
  return read(() => readFileSync(table, 'latin1'), '')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[1]?.endsWith(`:${wanted}`) === true)
    .flatMap((fields) => fields[9] ?? []);
}

function socketsOf(pid: number): string[] {
  const folder = `/proc/${pid}/fd`;
  return read(() => readdirSync(folder), []).flatMap((fd) => {
    const target = read(() => readlinkSync(`${folder}/${fd}`), '');
    return /^socket:\[(\d+)\]$/.exec(target)?.[1] ?? [];
  });
}

/** Processes and their descriptors come and go while they are listed. */
function read<T>(work: () => T, otherwise: T): T {
  try {
    return work();
  } catch {
    return otherwise;
  }
}
