import { spawn, type ChildProcess } from 'node:child_process';
import { identify, waitUntilGone, type ProcessIdentity } from './identity.ts';
import { openLogSink, type LogSink } from './log-sink.ts';
import { FIRST_START, nextRestart, type RestartState } from './restart-policy.ts';

export interface ChildSpec {
  name: string;
  /** The TypeScript file that Node runs. */
  entry: string;
  env: NodeJS.ProcessEnv;
  logFile: string;
  /** A child that has been silent for this long is killed and replaced; 0 leaves it alone. */
  silenceMs: number;
  /** An end before `sustain()` is final: a process that has never worked will not do better the next time. */
  onTrial?: boolean;
}

export interface ChildDeps {
  say: (line: string) => void;
  /** Told of each process, so that a later start can end what this one leaves behind. */
  onProcess: (name: string, identity: ProcessIdentity | undefined) => void;
}

/** A child process that is started again whenever it ends, until it is stopped. */
export interface SupervisedChild {
  readonly pid: number | undefined;
  /** Resolves with the cause when the process ends for the first time. */
  readonly firstEnd: Promise<string>;
  /** The trial is over: from now on an end is followed by a new start. */
  sustain(): void;
  /** SIGTERM, then SIGKILL after `graceMs`. */
  stop(graceMs: number): Promise<void>;
  kill(): void;
}

const LEASH = new URL('./leash.ts', import.meta.url).href;
const TICK_MS = 1_000;
const OUTPUT_MS = 200;

export function superviseChild(spec: ChildSpec, deps: ChildDeps): SupervisedChild {
  const log = openLogSink(spec.logFile, (line) => deps.say(`${spec.name}: ${line}`));
  let current: ChildProcess | undefined;
  let sustained = spec.onTrial !== true;
  let timer: NodeJS.Timeout | undefined;
  let state: RestartState = FIRST_START;
  const firstEnd = Promise.withResolvers<string>();

  const start = () => {
    const started = performance.now();
    const child = launch(spec, log);
    current = child;
    if (child.pid !== undefined) deps.onProcess(spec.name, identify(child.pid));
    const watch = watchSilence(child, spec, deps);
    onEnd(child, (code, signal) => {
      clearInterval(watch);
      current = undefined;
      deps.onProcess(spec.name, undefined);
      const cause = describeEnd(code, signal, log.takeCause());
      firstEnd.resolve(cause);
      if (!sustained) return;
      const next = nextRestart(state, performance.now() - started);
      state = next.state;
      deps.say(`The ${spec.name} ended (${cause}); it is started again in ${next.delayMs} ms.`);
      timer = setTimeout(start, next.delayMs);
    });
    child.once('error', (error) => log.write(Buffer.from(`${error.name}: ${error.message}\n`)));
  };
  start();
  return {
    get pid() {
      return current?.pid;
    },
    firstEnd: firstEnd.promise,
    sustain: () => void (sustained = true),
    kill: () => void current?.kill('SIGKILL'),
    async stop(graceMs) {
      sustained = false;
      clearTimeout(timer);
      current?.kill('SIGTERM');
      const gone = () => current === undefined;
      if (!(await waitUntilGone(gone, graceMs))) {
        deps.say(`The ${spec.name} has not ended within ${graceMs / 1000} s and is killed.`);
        current?.kill('SIGKILL');
        await waitUntilGone(gone, graceMs);
      }
      log.close();
    },
  };
}

/** In a session of its own: Ctrl-C reaches only the parent, which ends its children in the right order. */
function launch(spec: ChildSpec, log: LogSink): ChildProcess {
  const args = ['--enable-source-maps', '--import', LEASH, spec.entry];
  const child = spawn(process.execPath, args, { env: spec.env, stdio: ['ignore', 'pipe', 'pipe', 'ipc'], detached: true });
  child.stdout?.on('data', (chunk: Buffer) => log.write(chunk));
  child.stderr?.on('data', (chunk: Buffer) => log.write(chunk));
  return child;
}

/** Once its output is complete, or a moment after its end when a grandchild keeps the output open. */
function onEnd(child: ChildProcess, end: (code: number | null, signal: NodeJS.Signals | null) => void): void {
  let ended = false;
  const once = (code: number | null, signal: NodeJS.Signals | null) => {
    if (!ended) end(code, signal);
    ended = true;
  };
  child.once('close', once);
  child.once('exit', (code, signal) => setTimeout(once, OUTPUT_MS, code, signal));
}

/** Counts own ticks, not time: after the machine slept, or while this process itself got no turn, nobody is to blame. */
function watchSilence(child: ChildProcess, { name, silenceMs }: ChildSpec, { say }: ChildDeps): NodeJS.Timeout | undefined {
  if (silenceMs === 0) return undefined;
  let silentMs: number | undefined; // until the first beat the child may still be loading its code
  child.on('message', () => (silentMs = 0));
  return setInterval(() => {
    if (silentMs === undefined) return;
    silentMs += TICK_MS;
    if (silentMs < silenceMs) return;
    silentMs = undefined;
    say(`The ${name} has not answered for ${silenceMs / 1000} s and is killed.`);
    child.kill('SIGKILL');
  }, TICK_MS);
}

function describeEnd(code: number | null, signal: NodeJS.Signals | null, cause: string | undefined): string {
  const how = signal ?? `exit code ${code}`;
  return cause === undefined || signal !== null ? how : `${how}: ${cause}`;
}
