import type { Client } from '@everruns/client';
import type { Credentials } from './credentials.ts';
import type { Output, Terminal } from './output.ts';

/** Everything outside that a command touches. */
export interface Host {
  env: Readonly<Record<string, string | undefined>>;
  stdout: Terminal;
  stderr: Terminal;
  fetch: typeof fetch;
  /** Calls back at each Ctrl-C until the returned function is called; nobody listening means that the command ends. */
  onInterrupt(act: () => void): () => void;
  /** Resolves with what a person typed; null at the end of input. */
  ask(question: string): Promise<string | null>;
  openBrowser(url: string): Promise<void>;
  /** Runs a program of the product in the foreground; resolves with its exit code. */
  runProgram(entry: string, args: readonly string[]): Promise<number>;
  cwd: string;
  /** The directory of the product. */
  root: string;
  version: string;
  /** Shown to whoever lets this command in. */
  hostname: string;
  platform: string;
  pause(ms: number): Promise<void>;
}

/** What a command works with. */
export interface Session {
  host: Host;
  out: Output;
  client: Client;
  baseUrl: string;
  credentials: Credentials;
  credentialsPath: string;
  /** The token that calls are made with, if any. */
  token: string | undefined;
}

/** Makes a command's action from a function of its session. */
export type Act = <A extends unknown[]>(run: (session: Session, ...args: A) => Promise<void>) => (...args: A) => Promise<void>;
