import { join } from 'node:path';
import type { ComposeParams, Composition } from './compose.ts';
import { formatAddress, type LocalConfig } from './config.ts';
import { openDevDirectory } from './dev-directory.ts';
import { serverEnvironment } from './environment.ts';
import { makeSecrets } from './home.ts';
import type { Runtime } from './local.ts';
import { requireFree } from './ports.ts';
import { keepPostgres } from './postgres/keep.ts';
import { welcome } from './welcome.ts';

export interface DevParams {
  config: LocalConfig;
  env: NodeJS.ProcessEnv;
  /** Starts server and worker in this process. */
  compose: (params: ComposeParams) => Promise<Composition>;
  say: (line: string) => void;
}

const DATABASE = 'everruns';

/** DEV_MODE: server and worker in this process, PostgreSQL in a temporary directory that goes with it. No gRPC, nothing kept. */
export async function startDevMode({ config, env, compose, say }: DevParams): Promise<Runtime> {
  const started = performance.now();
  await requireFree(config.http, 'HTTP');
  const directory = await openDevDirectory();
  const release: (() => Promise<void>)[] = [() => directory.remove()];
  const stop = async () => {
    for (const step of release.splice(0).reverse()) await step();
  };
  try {
    const postgres = await keepPostgres({
      database: DATABASE,
      say,
      postgres: { dataDir: directory.dataDir, logFile: join(directory.path, 'postgres.log'), durability: 'disposable' },
    });
    release.push(() => postgres.stop());
    const { server } = postgres;
    const serverEnv = serverEnvironment({ env, config, secrets: makeSecrets(), databaseUrl: server.url(DATABASE) });
    const composed = await compose({ config, env: { ...serverEnv, DEV_MODE: 'true' }, say });
    release.push(() => composed.stop());
    const psql = `psql -h ${server.socketDir} -p ${server.port} -U everruns ${DATABASE}`;
    const startMs = performance.now() - started;
    const hasPages = env.UI_DIRECTORY !== undefined;
    for (const line of welcome({
      url: `http://${formatAddress(config.http)}`,
      grpcAddress: undefined,
      psql,
      home: undefined,
      hasPages,
      startMs,
    }))
      say(line);
    return { failed: Promise.race([postgres.lost, composed.failed]), stop, kill: () => undefined };
  } catch (error) {
    await stop();
    throw error;
  }
}
