import { join } from 'node:path';
import { formatAddress, type Address, type LocalConfig } from './config.ts';
import { serverEnvironment, workerEnvironment } from './environment.ts';
import { StartError } from './errors.ts';
import { openHome, type Home } from './home.ts';
import { requireFree } from './ports.ts';
import { keepPostgres, type KeptPostgres } from './postgres/keep.ts';
import { superviseChild, type ChildSpec, type SupervisedChild } from './processes/child.ts';
import { identify, type ProcessIdentity } from './processes/identity.ts';
import { endOrphans, readRecords, writeRecords, type ProcessRecords } from './processes/records.ts';
import { welcome } from './welcome.ts';

export interface LocalParams {
  config: LocalConfig;
  env: NodeJS.ProcessEnv;
  /** The programs of the two children. */
  entries: { server: string; worker: string };
  say: (line: string) => void;
  /** Ends a start that is still waiting. */
  signal: AbortSignal;
}

/** A running local Everruns. */
export interface Runtime {
  /** Resolves when it can't go on by itself. */
  readonly failed: Promise<StartError>;
  stop(): Promise<void>;
  /** Ends all at once; the next start recovers. */
  kill(): void;
}

const DATABASE = 'everruns';
const READY_WITHIN_MS = 60_000;
const HEALTH_POLL_MS = 25;
const SERVER_STOP_MS = 15_000;
/** Above what the worker itself takes to hand back its steps. */
const DRAIN_MARGIN_MS = 5_000;
/** A server that is busy recovers; a worker may have met code that never returns. */
const SERVER_SILENCE_MS = 30_000;
const WORKER_SILENCE_MS = 5_000;

/** `npm start`: PostgreSQL, the control plane and one worker as processes, each started again when it ends. */
export async function startLocal(params: LocalParams): Promise<Runtime> {
  const started = performance.now();
  const { config, say } = params;
  const home = await openHome(config.home);
  const postgres = await startDatabase(home, config, say);
  const children: SupervisedChild[] = [];
  try {
    await endOrphans(await readRecords(home.path));
    await requireFree(config.http, 'HTTP');
    await requireFree(config.grpc, 'gRPC for workers');
    const start = prepareChildren(params, home, postgres);
    const server = start.server();
    children.push(server);
    await untilHealthy(config.http, server, params.signal);
    server.sustain();
    const worker = start.worker(); // not before: two that load their code at once are both late
    children.push(worker);
    await start.recorded();
    for (const line of describe({ config, hasPages: params.env.UI_DIRECTORY !== undefined }, home, postgres, performance.now() - started))
      say(line);
    return {
      failed: postgres.lost,
      stop: () => stopAll(config, server, worker, postgres),
      kill: () => children.forEach((child) => child.kill()),
    };
  } catch (error) {
    await Promise.all(children.map((child) => child.stop(SERVER_STOP_MS)));
    await postgres.stop();
    throw error;
  }
}

async function startDatabase(home: Home, config: LocalConfig, say: (line: string) => void): Promise<KeptPostgres> {
  return keepPostgres({
    database: DATABASE,
    say,
    postgres: {
      dataDir: home.dataDir,
      logFile: join(home.logs, 'postgres.log'),
      durability: 'durable',
      tcp: { port: config.postgresPort, password: home.secrets.POSTGRES_PASSWORD },
      onSlowStart: () => say('PostgreSQL is recovering after a crash ...'),
    },
  });
}

interface Starters {
  server(): SupervisedChild;
  worker(): SupervisedChild;
  /** Resolves when the next start could find all that has been started. */
  recorded(): Promise<void>;
}

function prepareChildren({ config, env, entries, say }: LocalParams, home: Home, postgres: KeptPostgres): Starters {
  const self = identify(process.pid) as ProcessIdentity;
  const records: ProcessRecords = { supervisor: self, children: {}, http: formatAddress(config.http), grpc: formatAddress(config.grpc) };
  let written = Promise.resolve();
  const onProcess = (name: string, identity: ProcessIdentity | undefined) => {
    if (identity === undefined) delete records.children[name];
    else records.children[name] = identity;
    written = written
      .then(() => writeRecords(home.path, records))
      .catch((error: unknown) => say(`The list of processes cannot be written: ${String(error)}`));
  };
  const serverEnv = serverEnvironment({ env, config, secrets: home.secrets, databaseUrl: postgres.server.url(DATABASE) });
  const token = serverEnv.WORKER_GRPC_AUTH_TOKEN ?? '';
  const workerEnv = workerEnvironment({ env, grpcAddress: formatAddress(config.grpc), token, drainMs: config.drainMs });
  const start = (name: 'server' | 'worker', childEnv: NodeJS.ProcessEnv, rest: Pick<ChildSpec, 'silenceMs' | 'onTrial'>) =>
    superviseChild({ name, entry: entries[name], env: childEnv, logFile: join(home.logs, `${name}.log`), ...rest }, { say, onProcess });
  return {
    server: () => start('server', serverEnv, { silenceMs: SERVER_SILENCE_MS, onTrial: true }),
    worker: () => start('worker', workerEnv, { silenceMs: WORKER_SILENCE_MS }),
    recorded: () => written,
  };
}

/** A server that ends before it ever answered will not do better the next time: its cause is the answer. */
async function untilHealthy(http: Address, server: SupervisedChild, signal: AbortSignal): Promise<void> {
  let ended: string | undefined;
  void server.firstEnd.then((cause) => (ended = cause));
  const deadline = performance.now() + READY_WITHIN_MS;
  while (!(await isHealthy(http))) {
    if (ended !== undefined) throw new StartError(`The server did not start (${ended}).`);
    if (signal.aborted) throw new StartError('Stopped before it was ready.');
    if (performance.now() > deadline) throw new StartError(`The server did not get ready within ${READY_WITHIN_MS / 1000} s.`);
    await new Promise((resolve) => setTimeout(resolve, HEALTH_POLL_MS));
  }
}

async function isHealthy(http: Address): Promise<boolean> {
  try {
    const response = await fetch(`http://${formatAddress(http)}/health`, { signal: AbortSignal.timeout(2_000) });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false; // not listening yet
  }
}

function describe(
  { config, hasPages }: { config: LocalConfig; hasPages: boolean },
  home: Home,
  { server }: KeptPostgres,
  startMs: number,
): string[] {
  const psql = `psql -h ${server.socketDir} -p ${server.port} -U everruns ${DATABASE}`;
  return welcome({
    url: `http://${formatAddress(config.http)}`,
    grpcAddress: formatAddress(config.grpc),
    psql,
    home: home.path,
    hasPages,
    startMs,
  });
}

/** The worker first, while there is still a server to hand its steps back to; the database last. */
async function stopAll(config: LocalConfig, server: SupervisedChild, worker: SupervisedChild, postgres: KeptPostgres): Promise<void> {
  await worker.stop(config.drainMs + DRAIN_MARGIN_MS);
  await server.stop(SERVER_STOP_MS);
  await postgres.stop();
}
