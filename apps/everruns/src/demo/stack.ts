import { mkdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseLocalConfig, formatAddress } from '../config.ts';
import { openDevDirectory } from '../dev-directory.ts';
import { serverEnvironment, workerEnvironment } from '../environment.ts';
import { StartError } from '../errors.ts';
import { makeSecrets } from '../home.ts';
import { keepPostgres } from '../postgres/keep.ts';
import { superviseChild, type SupervisedChild } from '../processes/child.ts';

/** A complete Everruns of the demo's own: PostgreSQL, a control plane and two workers in a temporary directory. */
export interface DemoStack {
  /** Of the REST API. */
  api: string;
  /** The file that bookings go to. */
  ledger: string;
  workers: ReadonlyMap<string, SupervisedChild>;
  stop(): Promise<void>;
}

const ENTRIES = {
  server: fileURLToPath(new URL('../../../server/src/main.ts', import.meta.url)),
  worker: fileURLToPath(new URL('../../../worker/src/main.ts', import.meta.url)),
};
const BOOKINGS = fileURLToPath(new URL('./bookings.ts', import.meta.url));
const DATABASE = 'everruns';
const READY_WITHIN_MS = 60_000;
const STOP_MS = 5_000;
const WORKERS = ['worker-a', 'worker-b'];

export async function startDemoStack(env: NodeJS.ProcessEnv, say: (line: string) => void): Promise<DemoStack> {
  const directory = await openDevDirectory();
  const release: (() => Promise<void>)[] = [() => directory.remove()];
  const stop = async (): Promise<void> => {
    for (const step of release.splice(0).reverse()) await step();
  };
  try {
    const logs = join(directory.path, 'logs');
    await mkdir(logs);
    const postgres = await keepPostgres({
      database: DATABASE,
      say,
      postgres: { dataDir: directory.dataDir, logFile: join(logs, 'postgres.log'), durability: 'durable' },
    });
    release.push(() => postgres.stop());
    const own = { ...withoutOwnSettings(env), EVERRUNS_CAPABILITY_MODULES: BOOKINGS };
    const config = parseLocalConfig({ ...own, HTTP_ADDR: await freeAddress(), WORKER_GRPC_ADDR: await freeAddress() }, directory.path);
    const secrets = makeSecrets();
    const child = (name: string, entry: string, childEnv: NodeJS.ProcessEnv): SupervisedChild => {
      const started = superviseChild(
        { name, entry, env: childEnv, logFile: join(logs, `${name}.log`), silenceMs: 0 },
        { say, onProcess: () => undefined },
      );
      release.push(() => started.stop(STOP_MS));
      return started;
    };
    const server = child(
      'server',
      ENTRIES.server,
      serverEnvironment({ env: own, config, secrets, databaseUrl: postgres.server.url(DATABASE) }),
    );
    const workerEnv = workerEnvironment({
      env: own,
      grpcAddress: formatAddress(config.grpc),
      token: secrets.WORKER_GRPC_AUTH_TOKEN,
      drainMs: 1_000,
    });
    const workers = new Map(WORKERS.map((name) => [name, child(name, ENTRIES.worker, { ...workerEnv, WORKER_ID: name })]));
    const api = `http://${formatAddress(config.http)}/api`;
    await untilReady(api, server);
    return { api, ledger: join(directory.path, 'bookings.txt'), workers, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The demo is the same everywhere: settings for another Everruns are not for this one. */
function withoutOwnSettings({ PATH, HOME, LANG, TMPDIR }: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return {
    ...(PATH && { PATH }),
    ...(HOME && { HOME }),
    ...(LANG && { LANG }),
    ...(TMPDIR && { TMPDIR }),
    DEPLOYMENT_GRADE: 'dev',
    AUTH_MODE: 'none',
  };
}

/** Ready is: the server answers, and both workers have come to it. */
async function untilReady(api: string, server: SupervisedChild): Promise<void> {
  let ended: string | undefined;
  void server.firstEnd.then((cause) => (ended = cause));
  const deadline = performance.now() + READY_WITHIN_MS;
  while ((await workerLoads(api).catch(() => [])).length < WORKERS.length) {
    if (ended !== undefined) throw new StartError(`The server did not start (${ended}).`);
    if (performance.now() > deadline) throw new StartError(`The demo did not get ready within ${READY_WITHIN_MS / 1000} s.`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Running workers and how many steps each holds, as the API says it. */
export async function workerLoads(api: string): Promise<{ id: string; load: number }[]> {
  const answer = await fetch(`${api}/v1/durable/workers?status=running`);
  const { data } = (await answer.json()) as { data: { id: string; current_load: number }[] };
  return data.map(({ id, current_load }) => ({ id, load: current_load }));
}

async function freeAddress(): Promise<string> {
  const probe = createServer();
  const port = await new Promise<number>((resolve) => probe.listen(0, '127.0.0.1', () => resolve((probe.address() as AddressInfo).port)));
  await new Promise((resolve) => probe.close(resolve));
  return `127.0.0.1:${port}`;
}
