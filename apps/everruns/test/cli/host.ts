import { setTimeout as pause } from 'node:timers/promises';
import { run } from '@everruns/cli';
import type { Host } from '@everruns/cli/cli';

export interface Ran {
  code: number;
  stdout: string;
  stderr: string;
  /** What was asked of a person, in order. */
  asked: string[];
}

export interface HostOptions {
  env: Record<string, string>;
  cwd?: string;
  /** What the person types, line by line; then input ends. */
  lines?: readonly string[];
  fetch?: typeof fetch;
  pause?: (ms: number) => Promise<void>;
  openBrowser?: (url: string) => Promise<void>;
  /** Gets hold of Ctrl-C. */
  onInterrupt?: (press: () => void) => void;
  onOutput?: (text: string) => void;
}

/** The command line as a person uses it, without a process of its own. */
export async function everruns(args: readonly string[], options: HostOptions): Promise<Ran> {
  const ran: Ran = { code: 0, stdout: '', stderr: '', asked: [] };
  const lines = [...(options.lines ?? [])];
  const terminal = (name: 'stdout' | 'stderr') => ({
    isTTY: false,
    columns: 80,
    write: (text: string) => {
      ran[name] += text;
      options.onOutput?.(text);
    },
  });
  const host: Host = {
    env: options.env,
    stdout: terminal('stdout'),
    stderr: terminal('stderr'),
    fetch: options.fetch ?? globalThis.fetch,
    cwd: options.cwd ?? '/',
    root: new URL('../../../..', import.meta.url).pathname,
    version: '0.0.0-test',
    hostname: 'laptop',
    platform: 'linux',
    pause: options.pause ?? ((ms) => pause(ms)),
    onInterrupt: (act) => {
      options.onInterrupt?.(act);
      return () => undefined;
    },
    ask: async (question) => {
      ran.asked.push(question);
      return lines.shift() ?? null;
    },
    openBrowser: async (url) => options.openBrowser?.(url),
    runProgram: async () => 0,
  };
  ran.code = await run(args, host);
  return ran;
}
