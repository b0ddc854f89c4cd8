import { randomBytes } from 'node:crypto';
import { loadConfig, startServer, type RunningServer } from '@everruns/server';
import { openDatabase, type Database } from '@everruns/storage';
import { testDatabase } from '@everruns/testing/postgres';
import { composeWorker, linkTo, parseWorkerConfig, type RunningWorker, type WorkerParts } from '@everruns/worker';
import { Api } from './api-client.ts';
import { eventsOutsideCatalogue } from './event-check.ts';
import { KillableLink, type LinkHooks } from './killable-link.ts';

const TEST_TOOLS = '@everruns/testing/test-capabilities';

export interface CompositionOptions {
  /** Control planes on the one database; default 1. */
  servers?: number;
  /** Workers, spread over the servers in turn; default 1. */
  workers?: number;
  worker?: WorkerOptions;
  serverEnv?: Record<string, string>;
}

export interface WorkerOptions extends Pick<WorkerParts, 'fetch' | 'stallTimeoutMs'> {
  /** Which server it is attached to; default the first. */
  server?: number;
  env?: Record<string, string>;
  hooks?: LinkHooks;
}

/** A real worker in this process, whose way to the control plane can be cut as if it had been killed. */
export interface ComposedWorker {
  readonly worker: RunningWorker;
  readonly link: KillableLink;
  /** Warnings and errors that it logged. */
  readonly troubles: string[];
}

/** Server and worker as the product composes them, in this process, over a real database, with HTTP on a port of its own. */
export interface Composition {
  readonly api: Api;
  /** One per server. */
  readonly apis: readonly Api[];
  readonly db: Database;
  readonly workers: readonly ComposedWorker[];
  addWorker(options?: WorkerOptions): Promise<ComposedWorker>;
  /** Ends all workers at once, also those that were cut off. */
  stopWorkers(): Promise<void>;
  close(): Promise<void>;
}

export async function compose(options: CompositionOptions = {}): Promise<Composition> {
  const database = await testDatabase();
  const db = openDatabase({ ...database.settings, poolSize: 2 });
  const encryptionKey = `kek-v1:${randomBytes(32).toString('base64')}`;
  const servers: RunningServer[] = [];
  for (let n = 0; n < (options.servers ?? 1); n++) {
    servers.push(
      await startServer(
        loadConfig({
          DATABASE_URL: database.url,
          PG_MAX_CONNECTIONS: '20',
          DEPLOYMENT_GRADE: 'dev',
          SECRETS_ENCRYPTION_KEY: encryptionKey,
          HTTP_ADDR: '127.0.0.1:0',
          WORKER_GRPC_ADDR: '127.0.0.1:0',
          EVERRUNS_CAPABILITY_MODULES: TEST_TOOLS,
          SSE_PER_SESSION_MAX: '0',
          LOG_LEVEL: 'silent',
          ...options.serverEnv,
        }),
      ),
    );
  }
  const apis = servers.map((server) => new Api(`${server.url}/api`));
  const workers: ComposedWorker[] = [];
  const addWorker = async (own: WorkerOptions = {}): Promise<ComposedWorker> => {
    const server = servers[own.server ?? 0];
    if (server === undefined) throw new Error(`There is no server ${own.server}.`);
    const worker = await startWorkerOn(server, { ...options.worker, ...own, id: `worker-${workers.length + 1}` });
    workers.push(worker);
    return worker;
  };
  const stopWorkers = async (): Promise<void> => {
    await Promise.all(workers.map(({ worker }) => worker.stop(0)));
  };
  for (let n = 0; n < (options.workers ?? 1); n++) await addWorker({ server: n % servers.length });
  return {
    api: apis[0] as Api,
    apis,
    db,
    workers,
    addWorker,
    stopWorkers,
    async close() {
      await stopWorkers();
      for (const server of servers) await server.stop();
      const strangers = await eventsOutsideCatalogue(db);
      await db.close();
      await database.drop();
      if (strangers.length > 0) throw new Error(`Events that the catalogue does not describe: ${strangers.join('; ')}.`);
    },
  };
}

/** Resolves when the worker is attached. */
async function startWorkerOn(server: RunningServer, options: WorkerOptions & { id: string }): Promise<ComposedWorker> {
  const link = new KillableLink(linkTo(server.gateway), options.hooks);
  const troubles: string[] = [];
  const attached = Promise.withResolvers<void>();
  const info = (_: unknown, message: string): void => {
    if (message === 'attached') attached.resolve();
  };
  const trouble = (fields: Record<string, unknown>, message: string): void => void troubles.push(`${message} ${JSON.stringify(fields)}`);
  const own = { EVERRUNS_CAPABILITY_MODULES: TEST_TOOLS, WORKER_ID: options.id, DEPLOYMENT_GRADE: 'dev' };
  const env = { ...own, PATH: process.env['PATH'] ?? '', ...options.env };
  const worker = await composeWorker(parseWorkerConfig(env), {
    openLink: link.open,
    log: { info, warn: trouble, error: trouble },
    ...(options.fetch !== undefined && { fetch: options.fetch }),
    ...(options.stallTimeoutMs !== undefined && { stallTimeoutMs: options.stallTimeoutMs }),
  });
  await attached.promise;
  return { worker, link, troubles };
}
