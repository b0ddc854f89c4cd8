import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { chmod, mkdtemp, open, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { freePort } from '@everruns/testing/free-port';
import { superviseProcess } from '@everruns/testing/supervised-process';
import { supervisePostgres } from '@everruns/testing/supervised-postgres';
import type { SupervisedProcess } from '@everruns/testing/supervised-process';
import type { SupervisedPostgres } from '@everruns/testing/supervised-postgres';

/** The product as in production: durable PostgreSQL, control plane and worker as processes of their own, no proxy between them. */
export interface Stack {
  /** `http://127.0.0.1:port`. */
  url: string;
  postgres: SupervisedPostgres;
  server: SupervisedProcess;
  worker: SupervisedProcess;
  stop(): Promise<void>;
}

const require = createRequire(import.meta.url);
const entryOf = (name: string): string => join(dirname(require.resolve(name)), 'main.ts');

/** Durable PostgreSQL and a control plane on it. */
export interface ControlPlane extends Pick<Stack, 'url' | 'postgres' | 'server' | 'stop'> {
  home: string;
  /** Where workers attach, and what they all are told. */
  workerEnv: Record<string, string>;
}

export async function startControlPlane(serverEnv: Record<string, string> = {}): Promise<ControlPlane> {
  const home = await mkdtemp(join(tmpdir(), 'everruns-bench-'));
  await chmod(home, 0o755); // PostgreSQL runs as another user when we are root
  const settings = { shared_preload_libraries: 'pg_stat_statements', shared_buffers: '256MB', max_wal_size: '4GB' };
  const postgres = await supervisePostgres(home, { settings });
  await postgres.whenReady();
  const [http, grpc] = [await freePort(), await freePort()];
  const token = randomBytes(24).toString('hex');
  const common = {
    ...(process.env['NODE_COMPILE_CACHE'] !== undefined && { NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] }),
    PATH: process.env['PATH'] ?? '',
    HOME: home,
    LOG_LEVEL: 'warn',
    DEPLOYMENT_GRADE: 'dev',
    WORKER_GRPC_AUTH_TOKEN: token,
  };
  const url = `http://127.0.0.1:${http}`;
  const server = superviseProcess({
    name: 'server',
    entry: entryOf('@everruns/server'),
    logFile: join(home, 'server.log'),
    env: {
      ...common,
      AUTH_MODE: 'none',
      DATABASE_URL: postgres.url(),
      HTTP_ADDR: `127.0.0.1:${http}`,
      WORKER_GRPC_ADDR: `127.0.0.1:${grpc}`,
      EVERRUNS_SOLE_INSTANCE: 'true',
      SSE_PER_SESSION_MAX: '0',
      ...serverEnv,
    },
    ready: () => answers(`${url}/health`),
  });
  await server.whenReady();
  return {
    url,
    postgres,
    server,
    home,
    workerEnv: { ...common, WORKER_GRPC_ADDRESS: `127.0.0.1:${grpc}` },
    async stop() {
      await server.stop();
      await postgres.stop();
      await rm(home, { recursive: true, force: true });
    },
  };
}

export async function startStack(options: { serverEnv?: Record<string, string> } = {}): Promise<Stack> {
  const controlPlane = await startControlPlane(options.serverEnv);
  const { url, postgres, server, home, workerEnv } = controlPlane;
  const worker = superviseProcess({
    name: 'worker',
    entry: entryOf('@everruns/worker'),
    logFile: join(home, 'worker.log'),
    env: workerEnv,
    ready: async () => (await workers(url)) > 0,
  });
  await worker.whenReady();
  return {
    url,
    postgres,
    server,
    worker,
    async stop() {
      await worker.stop();
      await controlPlane.stop();
    },
  };
}

async function answers(url: string): Promise<boolean> {
  return fetch(url).then(
    (response) => response.ok,
    () => false,
  );
}

async function workers(url: string): Promise<number> {
  const response = await fetch(`${url}/api/v1/durable/health`);
  return ((await response.json()) as { active_workers: number }).active_workers;
}

/** CPU seconds that a process has used so far (user and system). */
export function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** How long the disk of the benchmark takes to make a write durable, in milliseconds. */
export async function fdatasyncMs(): Promise<{ p50: number; p99: number }> {
  const directory = await mkdtemp(join(tmpdir(), 'everruns-fsync-'));
  const file = await open(join(directory, 'probe'), 'w');
  const times: number[] = [];
  for (let i = 0; i < 300; i++) {
    const started = performance.now();
    await file.write(Buffer.alloc(8192, i));
    await file.datasync();
    times.push(performance.now() - started);
  }
  await file.close();
  await rm(directory, { recursive: true });
  return { p50: percentile(times, 0.5), p99: percentile(times, 0.99) };
}

export function percentile(values: readonly number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))] ?? Number.NaN;
}
