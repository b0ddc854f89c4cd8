import { spawn, type ChildProcess } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { requireFree } from '../src/ports.ts';
import { isAlive } from '../src/processes/identity.ts';
import type { ProcessRecords } from '../src/processes/records.ts';

export interface LocalProcess {
  readonly pid: number;
  readonly output: string;
  readonly exit: Promise<number | null>;
  /** Waits for a line of its output; throws with all of the output when it ends before. */
  line(pattern: RegExp): Promise<string>;
  fetch(path: string, method?: string): Promise<string>;
  signal(name: NodeJS.Signals): void;
}

export interface LocalProcessParams {
  home: string;
  portPrefix: number;
  env?: NodeJS.ProcessEnv;
  user?: { uid: number; gid: number };
  /** The program, in this folder. */
  main?: string;
}

export function startProcess({ home, portPrefix, env, user, main = 'stand-in-main.ts' }: LocalProcessParams): LocalProcess {
  const child: ChildProcess = spawn(process.execPath, [fileURLToPath(new URL(main, import.meta.url))], {
    cwd: '/',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH, EVERRUNS_HOME: home, PORT_PREFIX: String(portPrefix), ...env },
    ...user,
  });
  let output = '';
  let ended = false;
  child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const exit = new Promise<number | null>((resolve) => {
    child.on('close', (code) => {
      ended = true;
      resolve(code);
    });
  });
  return {
    pid: child.pid ?? 0,
    exit,
    get output() {
      return output;
    },
    async line(pattern) {
      for (;;) {
        const found = output.split('\n').find((line) => pattern.test(line));
        if (found !== undefined) return found;
        if (ended) throw new Error(`Ended before ${pattern} came: ${output}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
    async fetch(path, method = 'GET') {
      const response = await fetch(`http://127.0.0.1:${portPrefix}01${path}`, { method, headers: { connection: 'close' } });
      const text = await response.text();
      if (!response.ok) throw new Error(text);
      return text;
    },
    signal: (name) => void child.kill(name),
  };
}

/** A prefix whose ports are free, below the ports that the system gives to outgoing connections. */
export async function freePrefix(): Promise<number> {
  for (;;) {
    const prefix = randomInt(110, 320);
    const ports = [1, 2, 32].map((last) => requireFree({ host: '127.0.0.1', port: prefix * 100 + last }, 'test'));
    if ((await Promise.allSettled(ports)).every(({ status }) => status === 'fulfilled')) return prefix;
  }
}

/** Undefined while it is being started again. */
export function childPid(home: string, name: 'server' | 'worker'): number | undefined {
  const records = JSON.parse(readFileSync(join(home, 'processes.json'), 'utf8')) as ProcessRecords;
  return records.children[name]?.pid;
}

export function postmasterPid(home: string): number {
  return Number(readFileSync(join(home, 'postgres', 'postmaster.pid'), 'utf8').split('\n')[0]);
}

export async function untilGone(...pids: number[]): Promise<void> {
  while (pids.some(isAlive)) await new Promise((resolve) => setTimeout(resolve, 20));
}
