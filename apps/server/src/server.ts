import { randomInt } from 'node:crypto';
import { loadCapabilities } from '@everruns/capabilities/load';
import { createIdSource } from '@everruns/contract';
import type { WorkerGateway } from '@everruns/contract';
import { checkEncryption, createVault, migrate, openDatabase } from '@everruns/storage';
import type { Database, TurnConfig, Vault } from '@everruns/storage';
import { createOutbound, parseEgressAllow } from '@everruns/outbound';
import type { Outbound } from '@everruns/outbound';
import { pino } from 'pino';
import type { Logger } from 'pino';
import type { Address, ServerConfig } from './config.ts';
import type { RefusedHandshake } from './grpc-tls.ts';
import { startGrpc } from './grpc.ts';
import type { RunningGrpc } from './grpc.ts';
import { openIdentity } from './identity/open-identity.ts';
import { openLimiter } from './limits/open-limiter.ts';
import { scheduleRate, toolCallRate } from './limits/work-limits.ts';
import { createApp } from './http/app.ts';
import type { AppSettings } from './http/app.ts';
import { waitThroughStreams } from './http/turn-waiter.ts';
import { govern } from './http/govern.ts';
import type { Api } from './http/types.ts';
import { allSessionOps } from './session-ops/all-ops.ts';
import { createSessionConfigs } from './services/session-configs.ts';
import { createCatalogueService, createProviderOpener } from './services/catalogues.ts';
import { startPurges } from './services/closed-organizations.ts';
import { startModelSync } from './services/model-sync.ts';
import { createWebhookSender } from './services/webhook-sender.ts';
import { memorySyncOf, startMemorySync } from './services/memory-sync.ts';
import { createModelResolver } from './services/model-resolution.ts';
import type { ResolutionPolicy } from './services/model-resolution.ts';
import { offeredExamples } from './services/examples.ts';
import { provisionAll } from './services/provisioning.ts';
import { AGENT_EXAMPLES } from './services/seeds/agents.ts';
import { DEFAULT_STREAM_CONFIG } from './stream/port.ts';
import type { CommitFeed, StreamClock, StreamConfig, Streams } from './stream/port.ts';
import { createStreams } from './stream/streams.ts';
import { durableRoutes } from './turns/durable-routes.ts';
import { createEngine } from './turns/engine.ts';
import type { Engine } from './turns/engine.ts';
import type { TurnService } from './turns/port.ts';
import { undecidableTurns } from './turns/versions.ts';
import { SERVER_VERSION } from './version.ts';

/** A server that cannot start, in one line for people. */
export class ServerStartError extends Error {
  override readonly name = 'ServerStartError';
}

export interface RunningServer {
  /** Address really served. */
  readonly url: string;
  /** For a worker in the same process. */
  readonly gateway: WorkerGateway;
  /** Ends the streams with `disconnecting`, hands the workers over, and closes everything. */
  stop(): Promise<void>;
}

/** Composes one control-plane instance. In DEV_MODE the worker port stays closed: the caller runs a worker on `gateway`. */
export async function startServer(config: ServerConfig): Promise<RunningServer> {
  const log = pino({ level: config.logLevel, base: null });
  for (const warning of config.warnings) log.warn(warning);
  await migrate(config.database.directUrl);
  const { db, directDb } = openDatabases(config, log);
  const started: (() => Promise<unknown>)[] = [() => db.close(), () => directDb.close()];
  try {
    return await compose(config, { log, db, directDb, started });
  } catch (error) {
    for (const end of started.toReversed()) await end().catch(() => undefined);
    throw error;
  }
}

const systemClock: StreamClock = {
  nowMs: () => performance.now(),
  date: () => new Date(),
  after: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};

interface Parts {
  log: Logger;
  db: Database;
  directDb: Database;
  /** What has been started, oldest first; a failing start ends it. */
  started: (() => Promise<unknown>)[];
}

async function compose(config: ServerConfig, parts: Parts): Promise<RunningServer> {
  const { log, db, directDb, started } = parts;
  const ids = createIdSource();
  const vault = await openVault(config, parts);
  const undecidable = await undecidableTurns(db);
  if (undecidable !== null) throw new ServerStartError(undecidable);
  const capabilities = await loadCapabilities(config.capabilityModules);
  await provisionAll(db, config.grade, offeredExamples(AGENT_EXAMPLES, { registry: capabilities, grade: config.grade }));
  const resolution = { grade: config.grade, fallbackKeys: config.fallbackKeys };
  const resolver = openResolver(resolution, vault, log);
  const configs = createSessionConfigs({ db, nowMs: () => performance.now() });
  const resolveModel = (turn: TurnConfig) => resolver.resolve(turn);
  // Ops run only when there are workers, and so an engine.
  const feed: Pick<CommitFeed, 'committed'> = { committed: (sessionId, events) => engine.streams.feed.committed(sessionId, events) };
  const outbound = createOutbound({ allow: parseEgressAllow(config.egressAllow) });
  started.push(() => outbound.close());
  const webhooks = webhookSender({ db, vault, outbound, log });
  started.push(() => webhooks.stop());
  const limiter = openLimiter(config.valkeyUrl, log);
  started.push(() => limiter.close());
  const stores = { db, ids, vault };
  const admitSchedule = scheduleRate(limiter, config.rates);
  const engine: Engine<Streams> = createEngine({
    db,
    ids,
    log,
    ops: allSessionOps({ ...stores, feed, configs, schedules: config.schedules, admitSchedule, resolveModel, tasks: () => engine.tasks }),
    admitToolCall: toolCallRate(limiter, config.rates),
    resolveModel: (turn) => {
      configs.keep(turn);
      return resolveModel(turn);
    },
    openProvider: createProviderOpener(vault),
    streams: (peers) =>
      createStreams({ db, openDedicated: () => directDb.dedicated(), peers, config: streamConfig(config), log, clock: systemClock }),
    address: formatAddress(config.http),
    sole: config.soleInstance,
    settings: { clientDeadlineMs: config.clientDeadlineMs, auditDays: config.auditDays },
    sessionLimit: config.limits.sessions,
    sendWebhooks: () => webhooks.poke(),
  });
  const pipeline = engine.streams;
  started.push(() => pipeline.close());
  await engine.start();
  started.push(() => engine.stop());
  let servedUrl = '';
  const publicUrl = (): string => config.publicUrl ?? servedUrl;
  const identity = await openIdentity(config, { db, log, ids, limiter, publicUrl });
  started.push(() => identity.stop());
  const catalogues = createCatalogueService({ ...stores, resolution, asker: engine.catalogues });
  const syncs = startSyncs(config, { db, log, catalogues, turns: engine.turns });
  started.push(() => syncs.stop());
  const app = await createApp({
    settings: { ...appSettings(config), resolution, publicUrl },
    db,
    ids,
    vault,
    capabilities,
    turns: engine.turns,
    tasks: engine.tasks,
    catalogues: engine.catalogues,
    waiter: waitThroughStreams(pipeline),
    feed: pipeline.feed,
    authenticate: identity.authenticate,
    identity,
    organizationsClosed: () => syncs.purge(),
    limiter,
    noise: () => randomInt(2 ** 31),
    logger: log,
    plugins: [streamPlugin(pipeline), monitoringPlugin(db, engine)],
  });
  started.push(() => app.close());
  await listening(() => app.listen({ ...config.http }), config.http, 'HTTP');
  servedUrl = `http://${formatAddress(boundAddress(app, config.http))}`;
  const grpc = config.devMode ? null : await listening(() => startWorkerPort(config, engine, log), config.grpc, 'gRPC for workers');
  log.info({ url: servedUrl, grpc: config.devMode ? null : formatAddress(config.grpc), grade: config.grade }, 'control plane is up');
  return {
    url: servedUrl,
    gateway: engine.gateway,
    stop: () =>
      endAll(log, [
        () => syncs.stop(),
        // Workers first: they take what runs to other instances, so that nothing of it has to be done again.
        () => {
          engine.drain();
          grpc?.server.shutdown().catch(() => undefined); // takes no new stream; those that are open end with the hand-over
          return engine.handOver();
        },
        () => pipeline.close(),
        () => app.close(),
        () => identity.stop(),
        () => engine.stop(),
        () => limiter.close(),
        () => webhooks.stop(),
        () => outbound.close(),
        () => Promise.resolve(grpc?.stop()),
        () => db.close(),
        () => directDb.close(),
      ]),
  };
}

function openResolver(config: ResolutionPolicy, secrets: Vault, log: Logger): ReturnType<typeof createModelResolver> {
  return createModelResolver({
    config,
    secrets,
    onUnreadableKey: (providerId, error) => log.error({ err: error, provider: providerId }, 'stored provider key cannot be read'),
  });
}

function appSettings(config: ServerConfig): Omit<AppSettings, 'publicUrl' | 'resolution'> {
  const { apiPrefix, auth, grade, limits, tokens, organizations, loginProviders, schedules, rates, corsOrigins, publicUrl, uiDirectory } =
    config;
  return {
    apiPrefix,
    health: { version: SERVER_VERSION, authMode: auth.mode, grade, runnerMode: config.devMode ? 'in_process' : 'workers' },
    egress: parseEgressAllow(config.egressAllow),
    limits,
    tokens,
    organizations,
    loginProviders,
    schedules,
    rates,
    uiDirectory,
    browsers: { corsOrigins, isHttpsOnly: publicUrl?.startsWith('https:') === true },
  };
}

interface SyncParts extends Pick<Parts, 'db' | 'log'> {
  catalogues: ReturnType<typeof createCatalogueService>;
  turns: Pick<TurnService, 'deleteSession'>;
}

/** What is done from time to time: models of vendors and memories that are copies are fetched, and organizations that were closed go. */
function startSyncs(config: ServerConfig, { db, log, catalogues, turns }: SyncParts): { purge(): void; stop(): Promise<void> } {
  const modelSync = startModelSync({ db, catalogues, log, everyHours: config.modelSyncHours });
  const memorySync = startMemorySync(memorySyncOf(db, parseEgressAllow(config.egressAllow)), log);
  const purges = startPurges({ db, deleteSession: (scope, id) => turns.deleteSession(scope, id) }, log);
  return {
    purge: () => purges.poke(),
    stop: async () => void (await Promise.all([modelSync.stop(), memorySync.stop(), purges.stop()])),
  };
}

interface WebhookParts extends Pick<Parts, 'db' | 'log'> {
  vault: ReturnType<typeof createVault>;
  outbound: Outbound;
}

function webhookSender({ db, vault, outbound, log }: WebhookParts): ReturnType<typeof createWebhookSender> {
  return createWebhookSender({
    db,
    vault,
    fetch: outbound.fetch({ kind: 'webhook', firstByteMs: 10_000, totalMs: 20_000, maxBytes: 65_536 }),
    nowMs: () => Date.now(),
    onError: (error) => log.warn({ err: error }, 'task webhooks not sent'),
  });
}

/** One after the other; what fails does not keep the rest from ending. */
async function endAll(log: Logger, ends: readonly (() => Promise<unknown>)[]): Promise<void> {
  let failed = false;
  for (const end of ends) {
    await end().catch((error: unknown) => {
      failed = true;
      log.error({ err: error }, 'not stopped in order');
    });
  }
  if (failed) throw new Error('The control plane did not stop in order.');
}

/** The pool may go through a pooler; LISTEN and whatever else lives as long as its connection goes around it. */
function openDatabases(config: ServerConfig, log: Logger): { db: Database; directDb: Database } {
  const onError = (error: Error): void => log.warn({ err: error }, 'idle database connection lost');
  const pooled = config.database.directUrl !== config.database.url;
  const { url, directUrl, poolSize } = config.database;
  return {
    db: openDatabase({ url, poolSize, pooled, onError, applicationName: 'everruns-server' }),
    directDb: openDatabase({ url: directUrl, poolSize: 1, onError, applicationName: 'everruns-server-direct' }),
  };
}

async function openVault(config: ServerConfig, { db, log }: Parts): Promise<ReturnType<typeof createVault>> {
  const encryption = await checkEncryption(db, config.keyring);
  if (encryption.kind === 'refused') throw new ServerStartError(encryption.reason);
  if (encryption.kind === 'no_key') log.warn('SECRETS_ENCRYPTION_KEY is not set: provider keys cannot be stored.');
  return createVault({ db, keyring: config.keyring });
}

function streamConfig(config: ServerConfig): StreamConfig {
  const { realtimeCycleMs: cycleMs, heartbeatMs, globalMax, perOrgMax, perSessionMax } = config.sse;
  return {
    ...DEFAULT_STREAM_CONFIG,
    cycleMs,
    heartbeatMs,
    globalMax,
    perOrgMax,
    perSessionMax,
    expectedInstances: config.expectedInstances,
  };
}

function streamPlugin(streams: Streams) {
  return async (api: Api): Promise<void> => {
    await govern(api, 'sessions', async (group) => {
      await group.register(streams.routes, { scopeOf: (request) => request.scope });
    });
  };
}

function monitoringPlugin(db: Database, engine: Engine) {
  return (api: Api): Promise<void> =>
    govern(api, 'platform', (group) =>
      durableRoutes(group, { db, workers: () => engine.workers(), addUp: () => engine.addUp(), requeue: (id) => engine.requeue(id) }),
    );
}

function startWorkerPort({ grpc, grpcToken: token, grpcTls: tls }: ServerConfig, engine: Engine, log: Logger): Promise<RunningGrpc> {
  const refused = ({ address, reason }: RefusedHandshake): void => log.warn({ address }, `a worker cannot attach: ${reason}`);
  return startGrpc({ address: formatAddress(grpc), token, gateway: engine.gateway, tls, refused });
}

async function listening<T>(listen: () => Promise<T>, address: Address, what: string): Promise<T> {
  try {
    return await listen();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ServerStartError(`${what} cannot listen on ${formatAddress(address)}: ${reason}`);
  }
}

function boundAddress(app: Api, asked: Address): Address {
  const bound = app.server.address();
  return { host: asked.host, port: bound !== null && typeof bound === 'object' ? bound.port : asked.port };
}

function formatAddress({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
