import { loadConfig, startServer } from '@everruns/server';
import { composeWorker, linkTo, parseWorkerConfig, type WorkerLog } from '@everruns/worker';
import type { LocalConfig } from './config.ts';
import { formatAddress } from './config.ts';
import { StartError } from './errors.ts';
import { workerEnvironment } from './environment.ts';

/** Server and worker in this process. */
export interface Composition {
  /** Resolves when the worker has left without being asked to. */
  readonly failed: Promise<StartError>;
  stop(): Promise<void>;
}

export interface ComposeParams {
  config: LocalConfig;
  /** What a control plane would have as a process. */
  env: NodeJS.ProcessEnv;
  say: (line: string) => void;
}

/**
 * Composes the same control plane and the same worker that run as processes elsewhere; only the link between them has no socket. Throws a
 * StartError with the cause in one line.
 */
export async function composeInProcess({ config, env, say }: ComposeParams): Promise<Composition> {
  const level = env.LOG_LEVEL ?? 'warn'; // what is normal would hide what is said to people
  const server = await explain(() => startServer(loadConfig({ ...env, LOG_LEVEL: level })));
  try {
    const workerEnv = workerEnvironment({ env, grpcAddress: formatAddress(config.grpc), token: '', drainMs: config.drainMs });
    const openLink = linkTo(server.gateway);
    const worker = await explain(() => composeWorker(parseWorkerConfig(workerEnv), { openLink, log: sayTroubles(say) }));
    let stopping = false;
    return {
      failed: new Promise((resolve) => {
        const end = (cause: string) => {
          if (!stopping) resolve(new StartError(`The worker ended${cause}.`));
        };
        worker.done.then(
          () => end(''),
          (error: unknown) => end(` (${messageOf(error)})`),
        );
      }),
      async stop() {
        stopping = true;
        await worker.stop();
        await server.stop();
      },
    };
  } catch (error) {
    await server.stop();
    throw error;
  }
}

async function explain<T>(start: () => Promise<T>): Promise<T> {
  try {
    return await start();
  } catch (error) {
    throw new StartError(messageOf(error), { cause: error });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function sayTroubles(say: (line: string) => void): WorkerLog {
  const trouble = (fields: Record<string, unknown>, message: string) => say(`worker: ${message} ${JSON.stringify(fields)}`);
  return { info: () => undefined, warn: trouble, error: trouble };
}
