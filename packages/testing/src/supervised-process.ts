import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';

export interface ProcessOptions {
  /** For messages: `worker-1`. */
  name: string;
  /** A TypeScript file that Node runs. */
  entry: string;
  /** The whole environment: nothing is taken over from this process. */
  env: Record<string, string>;
  /** Output of all lives of the process goes to the end of this file. */
  logFile: string;
  /** True once the process does its work. Polled. */
  ready: () => Promise<boolean>;
  readyWithinMs?: number;
}

/** A process that is started again at once whenever it dies, as a supervisor would do, until it is stopped. */
export interface SupervisedProcess {
  readonly name: string;
  /** Of the present life; 0 while none runs. */
  readonly pid: number;
  /** How often it has been started. */
  readonly lives: number;
  /** Sends SIGKILL, and returns when the system has taken the signal. */
  kill(): void;
  signal(name: NodeJS.Signals): void;
  /** Resolves when the present life is ready; rejects with the end of its log when it does not become so. */
  whenReady(): Promise<void>;
  /** SIGTERM, then SIGKILL after `graceMs`; it stays down. */
  stop(graceMs?: number): Promise<void>;
  /** Starts again after `stop`. */
  start(): void;
}

const LEASH = pathToFileURL(createRequire(import.meta.url).resolve('everruns/processes/leash')).href;
const POLL_MS = 20;
const READY_WITHIN_MS = 30_000;
/** A process that dies in its start is tried again at this pace. */
const RESTART_PAUSE_MS = 200;

export function superviseProcess(options: ProcessOptions): SupervisedProcess {
  const supervisor = new Supervisor(options);
  supervisor.start();
  return supervisor;
}

class Supervisor implements SupervisedProcess {
  readonly name: string;
  lives = 0;
  readonly #options: ProcessOptions;
  #child: ChildProcess | null = null;
  #wanted = false;

  constructor(options: ProcessOptions) {
    this.#options = options;
    this.name = options.name;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  start(): void {
    this.#wanted = true;
    if (this.#child === null) this.#launch();
  }

  kill(): void {
    this.signal('SIGKILL');
  }

  signal(name: NodeJS.Signals): void {
    this.#child?.kill(name);
  }

  async whenReady(): Promise<void> {
    const deadline = performance.now() + (this.#options.readyWithinMs ?? READY_WITHIN_MS);
    while (!(this.#child !== null && (await this.#options.ready().catch(() => false)))) {
      if (performance.now() > deadline) throw new Error(`${this.name} did not get ready:\n${await this.#lastLines()}`);
      await sleep(POLL_MS);
    }
  }

  async stop(graceMs = 5_000): Promise<void> {
    this.#wanted = false;
    const child = this.#child;
    if (child === null) return;
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), graceMs);
    await gone;
    clearTimeout(timer);
  }

  #launch(): void {
    const { entry, env, logFile } = this.#options;
    const log = openSync(logFile, 'a');
    // The channel is its leash: the process ends when this one does, however that ends.
    const child = spawn(process.execPath, ['--enable-source-maps', '--import', LEASH, entry], { env, stdio: ['ignore', log, log, 'ipc'] });
    closeSync(log);
    this.#child = child;
    this.lives++;
    const startedAt = performance.now();
    const ended = (): void => {
      if (this.#child !== child) return;
      this.#child = null;
      if (!this.#wanted) return;
      const pauseMs = performance.now() - startedAt < RESTART_PAUSE_MS ? RESTART_PAUSE_MS : 0;
      setTimeout(() => this.#wanted && this.#child === null && this.#launch(), pauseMs);
    };
    child.once('exit', ended);
    child.once('error', ended);
  }

  async #lastLines(): Promise<string> {
    return (await readFile(this.#options.logFile, 'utf8').catch(() => 'no output')).split('\n').slice(-15).join('\n');
  }
}
