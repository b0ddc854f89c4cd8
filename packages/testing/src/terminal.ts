import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { fromDebianPackage, LIBRARY_FOLDER } from './debian-package.ts';

const run = promisify(execFile);
const PATIENCE_MS = 20_000;
const LIBRARIES = [
  ['libevent-core-2.1-7', 'libevent_core-2.1.so.7'],
  ['libutempter0', 'libutempter.so.0'],
] as const;

export interface TerminalOptions {
  command: readonly string[];
  env: Readonly<Record<string, string>>;
  columns?: number;
  rows?: number;
}

/** A program in a real terminal, as a person sees and uses it. */
export interface TestTerminal {
  /** What stands on the screen, without trailing blanks. */
  screen(): Promise<string>;
  type(text: string): Promise<void>;
  /** `Enter`, `C-c`, `C-d` and what else tmux knows. */
  press(key: string): Promise<void>;
  /** Resolves with the screen once it looks like this. */
  until(pattern: RegExp): Promise<string>;
  close(): Promise<void>;
}

export async function startTerminal({ command, env, columns = 80, rows = 30 }: TerminalOptions): Promise<TestTerminal> {
  const program = await findTmux();
  const directory = await mkdtemp(join(tmpdir(), 'everruns-terminal-'));
  const tmux = async (...args: string[]): Promise<string> =>
    (
      await run(program.path, ['-S', join(directory, 'socket'), '-f', '/dev/null', ...args], {
        env: { ...process.env, ...program.env, ...env, LC_ALL: 'C.UTF-8' },
      })
    ).stdout;
  const quoted = command.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
  // The shell stays, so that what the program said last can still be seen.
  await tmux('new-session', '-d', '-x', `${columns}`, '-y', `${rows}`, `${quoted}; echo "[ended $?]"; sleep 600`);
  const screen = async (): Promise<string> => (await tmux('capture-pane', '-p', '-J')).trimEnd();
  return {
    screen,
    type: async (text) => void (await tmux('send-keys', '-l', text)),
    press: async (key) => void (await tmux('send-keys', key)),
    async until(pattern) {
      for (const end = performance.now() + PATIENCE_MS; ; await sleep(50)) {
        const seen = await screen();
        if (pattern.test(seen)) return seen;
        if (performance.now() > end) throw new Error(`${pattern} never stood on the screen:\n${seen}`);
      }
    },
    async close() {
      await tmux('kill-server').catch(() => undefined); // it ends with its last program
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Unpacked beside its libraries where the system has none. */
async function findTmux(): Promise<{ path: string; env: Record<string, string> }> {
  const path = await fromDebianPackage('tmux', 'usr/bin/tmux');
  if (path === '/usr/bin/tmux') return { path, env: {} };
  const folders: string[] = [];
  for (const [name, file] of LIBRARIES) {
    if (existsSync(join('/usr/lib', LIBRARY_FOLDER, file))) continue;
    folders.push(dirname(await fromDebianPackage(name, join('usr/lib', LIBRARY_FOLDER, file))));
  }
  return { path, env: { LD_LIBRARY_PATH: folders.join(delimiter) } };
}
