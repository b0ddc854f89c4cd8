import { execFile, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { constants, hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Host } from './cli.ts';
import type { Terminal } from './output.ts';
import { run } from './program.ts';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');

function terminalOf(stream: NodeJS.WriteStream): Terminal {
  return {
    write: (text) => void stream.write(text),
    get isTTY() {
      return stream.isTTY === true;
    },
    get columns() {
      return stream.columns;
    },
  };
}

/** Those who listen to Ctrl-C; without any the command ends as it does everywhere. */
const listeners: (() => void)[] = [];
process.on('SIGINT', () => {
  const act = listeners.at(-1);
  if (act === undefined) process.exit(128 + constants.signals.SIGINT);
  act();
});

const host: Host = {
  env: process.env,
  stdout: terminalOf(process.stdout),
  stderr: terminalOf(process.stderr),
  fetch: globalThis.fetch,
  hostname: hostname(),
  platform: process.platform,
  cwd: process.cwd(),
  root: ROOT,
  version: (JSON.parse(readFileSync(join(ROOT, 'apps', 'cli', 'package.json'), 'utf8')) as { version: string }).version,
  pause: (ms) => pause(ms),
  onInterrupt(act) {
    listeners.push(act);
    return () => void listeners.splice(listeners.indexOf(act), 1);
  },
  ask: question(),
  openBrowser: (url) =>
    new Promise((resolve) => {
      const [program, args] =
        process.platform === 'darwin'
          ? ['open', [url]]
          : process.platform === 'win32'
            ? ['cmd', ['/c', 'start', '', url]]
            : ['xdg-open', [url]];
      execFile(program as string, args as string[], () => resolve()); // who has no browser here has been shown the address
    }),
  runProgram: (entry, args) =>
    new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [join(ROOT, entry), ...args], { stdio: 'inherit' });
      const forward = (): void => void child.kill('SIGTERM');
      process.on('SIGTERM', forward);
      listeners.push(() => undefined); // the terminal tells the child itself
      child.on('error', reject);
      child.on('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal ?? 'SIGTERM']));
    }),
};

/** Lines that arrive before anybody asks are kept: input may be a file. */
function question(): Host['ask'] {
  let lines: AsyncIterator<string> | null = null;
  return async (text) => {
    if (process.stdin.isTTY) {
      const reader = createInterface({ input: process.stdin, output: process.stderr });
      const closed = new Promise<null>((resolve) => reader.once('close', () => resolve(null)));
      try {
        return await Promise.race([reader.question(text), closed]);
      } finally {
        reader.close();
      }
    }
    lines ??= createInterface({ input: process.stdin })[Symbol.asyncIterator]();
    const next = await lines.next();
    return next.done === true ? null : next.value;
  };
}

process.exitCode = await run(process.argv.slice(2), host);
process.stdin.unref?.();
