/** `npm run worker`: one more worker, in the foreground, for the local Everruns that `npm start` runs. */
import { fileURLToPath } from 'node:url';
import { parseLocalConfig } from './config.ts';
import { workerEnvironment } from './environment.ts';
import { StartError } from './errors.ts';
import { openHome } from './home.ts';
import { isRunning } from './processes/identity.ts';
import { readRecords } from './processes/records.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const WORKER = new URL('../../worker/src/main.ts', import.meta.url);

try {
  const env = await furtherWorkerEnvironment();
  for (const name of Object.keys(process.env)) if (!(name in env)) delete process.env[name];
  Object.assign(process.env, env);
  console.log(`One more worker for ${env.WORKER_GRPC_ADDRESS}; Ctrl-C ends it.`);
  await import('./processes/leash.ts');
  await import(WORKER.href);
} catch (error) {
  if (!(error instanceof StartError)) throw error;
  console.log(error.message);
  process.exit(1);
}

async function furtherWorkerEnvironment(): Promise<NodeJS.ProcessEnv> {
  const config = parseLocalConfig(process.env, ROOT);
  const records = await readRecords(config.home);
  if (records === undefined || !isRunning(records.supervisor)) {
    throw new StartError(`No Everruns is running on ${config.home}: start it with npm start, then start further workers.`);
  }
  const { secrets } = await openHome(config.home);
  const token = process.env.WORKER_GRPC_AUTH_TOKEN ?? secrets.WORKER_GRPC_AUTH_TOKEN;
  return workerEnvironment({ env: process.env, grpcAddress: records.grpc, token, drainMs: config.drainMs });
}
