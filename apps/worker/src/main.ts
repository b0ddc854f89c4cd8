import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { pino } from 'pino';
import { builtinDrivers, createModelRegistry, loadDriverModules } from '@everruns/providers';
import { parseWorkerConfig, type WorkerConfig } from './config.ts';
import { createGrpcLink } from './links/grpc-link.ts';
import { loadCapabilities } from './tools/load-capabilities.ts';
import { createToolThreads, TOOL_MEMORY_MB } from './tools/tool-threads.ts';
import { startWorker, type RunningWorker } from './worker.ts';
import { WORKER_VERSION } from './version.ts';

/** A worker process. Ends with 0 after a drain, with 1 and one line when it cannot start, or was refused. */
try {
  await run(parseWorkerConfig());
  process.exit(0);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}

async function run(config: WorkerConfig): Promise<void> {
  const log = pino({ level: config.logLevel, base: null });
  const capabilities = await loadCapabilities(config.capabilityModules);
  const drivers = [...builtinDrivers(), ...(await loadDriverModules(config.driverModules))];
  const { capabilityModules, toolEnv: env, maxTasks: maxThreads } = config;
  const tools = createToolThreads({ capabilityModules, env, memoryMb: TOOL_MEMORY_MB, minThreads: 1, maxThreads });
  const bootId = randomUUID();
  const workerId = config.workerId ?? `${hostname()}-${bootId.slice(0, 8)}`;
  const worker = startWorker(
    { ...config, workerId, hostname: hostname(), version: WORKER_VERSION },
    {
      openLink: createGrpcLink(config.grpc),
      models: createModelRegistry({ drivers }),
      capabilities,
      tools,
      log,
      bootId,
      loopDelayMs: watchLoopDelay(),
    },
  );
  log.info({ worker: workerId, control_planes: config.grpc.addresses }, 'worker started');
  stopOnRequest(worker, config);
  process.on('unhandledRejection', (error) => log.error({ err: error }, 'unhandled rejection'));
  process.on('uncaughtException', (error) => {
    log.fatal({ err: error }, 'uncaught exception');
    process.exit(1);
  });
  await worker.done;
  await worker.stop();
  await tools.stop();
}

/** A terminal, npm and a supervisor may all send the same request: the first one counts. */
function stopOnRequest(worker: RunningWorker, config: WorkerConfig): void {
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => void worker.stop());
  if (!config.followsParent) return;
  process.stdin.once('close', () => void worker.stop(0)).resume();
}

/** The longest delay of the event loop since the last call, in milliseconds. */
function watchLoopDelay(): () => number {
  const delay = monitorEventLoopDelay({ resolution: 20 });
  delay.enable();
  return () => {
    const maxMs = delay.max / 1e6;
    delay.reset();
    return Math.max(0, maxMs - 20);
  };
}
