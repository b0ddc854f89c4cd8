import { setTimeout as sleep } from 'node:timers/promises';
import type { AdmitToolCall } from '../limits/work-limits.ts';
import type { IdSource, ResolvedModel, WorkerGateway } from '@everruns/contract';
import { claimBatch, DEFAULT_RETENTION, leasesOfInstance, pruneAll } from '@everruns/storage';
import type { BeatResult, Database, TurnConfig } from '@everruns/storage';
import { createHeadReader } from '../services/skills/skill-heads.ts';
import type { SessionOps } from '../session-ops/scope.ts';
import type { CommitFeed, Peers, ReadyHints } from '../stream/port.ts';
import { Breakers } from './breakers.ts';
import { cancelLease, ENGINE_DEFAULTS } from './context.ts';
import type { EngineContext, EngineSettings, Log, OpenProvider } from './context.ts';
import { Dispatcher } from './dispatcher.ts';
import { Delivery } from './delivery.ts';
import { Gateway, LIVENESS_CHECK_MS } from './gateway.ts';
import { Instance } from './instance.ts';
import type { TurnService } from './port.ts';
import { Reconciler } from './reconciler.ts';
import { endOverdue, endUnstarted, fireTimers, recoverOrphans } from './recovery.ts';
import { forEach } from './for-each.ts';
import { oneAtATime } from './one-at-a-time.ts';
import { requeueDeadLetter } from './requeue.ts';
import { createCatalogueAsker } from './catalogues.ts';
import { removeContainers } from './container-removals.ts';
import type { CatalogueAsker } from './catalogues.ts';
import { createTurnService } from './service.ts';
import { fireTaskTimers } from './tasks/fire-task-timers.ts';
import { createSessionTasks } from './tasks/service.ts';
import type { SessionTasks } from './tasks/service.ts';
import { Tallies } from './tallies.ts';
import { TURN_VERSIONS } from './versions.ts';

export interface EngineDeps<S extends EventPipeline> {
  db: Database;
  ids: IdSource;
  log: Log;
  resolveModel(config: TurnConfig): Promise<ResolvedModel>;
  /** Without it, providers cannot be asked for their catalogues. */
  openProvider?: OpenProvider;
  ops: SessionOps;
  /** Made by the caller once it has the instance: streams need to know the peers. */
  streams(peers: Peers): S;
  address: string;
  sole: boolean;
  settings?: Partial<EngineSettings>;
  nowMs?: () => number;
  random?: () => number;
  /** Versions of the turn workflow that this instance decides, oldest first. */
  versions?: readonly number[];
  /** Most sessions of an organization, those that do tasks included; default 0 = no limit. */
  sessionLimit?: number;
  /** Default: organizations may make any number of tool calls. */
  admitToolCall?: AdmitToolCall | undefined;
  /** Called when there may be something to send to those who are told of tasks over HTTP. */
  sendWebhooks?: () => void;
}

/** Where commits and wake-ups go. */
export interface EventPipeline {
  feed: CommitFeed;
  readyHints: ReadyHints;
}

export interface Engine<S = EventPipeline> {
  /** What the `streams` of the dependencies made. */
  streams: S;
  turns: TurnService;
  tasks: SessionTasks;
  catalogues: CatalogueAsker;
  gateway: WorkerGateway;
  peers: Peers;
  workers(): { id: string; load: number; draining: boolean; loopDelayMs: number }[];
  /** Adds this instance's figures to the sums in the database. */
  addUp(): Promise<void>;
  /** Runs a dead letter again; see `requeueDeadLetter`. */
  requeue(id: string): Promise<{ taskId: string }>;
  /** Claims nothing more and takes no more workers in; what runs goes on. */
  drain(): void;
  /** Sends the workers to other instances, with what they hold. Settles when they have arrived there, or there is nobody to go to. */
  handOver(): Promise<void>;
  start(): Promise<void>;
  stop(): Promise<void>;
}

const PRUNE_MS = 60_000;
/** A round of pruning goes on for at most this long. */
const PRUNE_FOR_MS = 20_000;
const RECONCILE_MS = 15_000;
const ADD_UP_MS = 15_000;
/** Workers that leave a stopping instance have this long to arrive elsewhere. */
const HAND_OVER_MS = 3_000;
const RECORD_MS = 1_000;

/** The engine of one control-plane instance: claims, completions, recovery and the beat that keeps them going. */
export function createEngine<S extends EventPipeline>(deps: EngineDeps<S>): Engine<S> {
  const stopping = new AbortController();
  const settings = { ...ENGINE_DEFAULTS, ...deps.settings };
  const versions = deps.versions ?? TURN_VERSIONS;
  // The parts refer to each other only when they run, never while they are made.
  const instance: Instance = new Instance({
    db: deps.db,
    newId: () => deps.ids.next(),
    versions: { turn: [...versions] },
    address: deps.address,
    sole: deps.sole,
    log: deps.log,
    onBeat: (result) => runDue(ctx, instance, result),
    onReborn: () => gateway.sendAway(),
    onPaused: (paused) => {
      dispatcher.away = paused;
      if (!paused) dispatcher.poke();
      else if (!instance.alone()) gateway.sendAway();
    },
  });
  const dispatcher: Dispatcher = new Dispatcher({
    claim: (command) => claimBatch(deps.db, { ...command, instanceId: instance.instanceId, orgCap: settings.orgCap }),
    assign: (attachment, task) => delivery.assign(attachment, task),
    onError: (error) => {
      deps.log.warn({ err: error }, 'claim failed');
      ctx.reconcile();
    },
  });
  const streams = deps.streams(instance);
  const { readyHints } = streams;
  const tallies = new Tallies(deps.db, deps.random ?? Math.random);
  const ctx: EngineContext = {
    db: deps.db,
    ids: deps.ids,
    nowMs: deps.nowMs ?? Date.now,
    random: deps.random ?? Math.random,
    settings,
    log: deps.log,
    feed: counting(streams.feed, tallies),
    tallies,
    hints: readyHints,
    dispatcher,
    breakers: new Breakers(deps.db, (key) => readyHints.announceOpened([key])),
    instanceId: () => instance.instanceId,
    alone: () => instance.alone(),
    decides: (version) => versions.includes(version),
    newTurnVersion: () => instance.commonVersion('turn'),
    resolveModel: (config) => deps.resolveModel(config),
    readSkillHead: createHeadReader(),
    openProvider: deps.openProvider ?? (() => Promise.reject(new Error('This control plane opens no providers.'))),
    ops: deps.ops,
    ...(deps.admitToolCall !== undefined && { admitToolCall: deps.admitToolCall }),
    signal: stopping.signal,
    assign: (attachment, task) => delivery.assign(attachment, task),
    reconcile: () => reconciler.request(),
    fireSoon: oneAtATime(
      () => fireTaskTimers(ctx, forEach),
      (error) => deps.log.warn({ err: error }, 'tasks not told of'),
    ),
    sendWebhooks: () => deps.sendWebhooks?.(),
  };
  const delivery = new Delivery(ctx);
  const gateway = new Gateway(ctx, delivery);
  const reconciler = new Reconciler(ctx, gateway);
  readyHints.onReady((pools) => dispatcher.poke(pools));
  readyHints.onOpened((keys) => ctx.breakers.opened(keys));
  readyHints.onCancelled((tokens) => {
    for (const token of tokens) cancelLease(ctx, { token });
  });
  let endUpkeep = (): void => undefined;
  return {
    streams,
    turns: createTurnService(ctx),
    tasks: createSessionTasks(ctx, { sessionLimit: deps.sessionLimit ?? 0 }),
    catalogues: createCatalogueAsker(ctx),
    gateway,
    peers: instance,
    workers: () => workersOf(dispatcher),
    addUp: () => addUp(ctx),
    requeue: (id) => requeueDeadLetter(ctx, id),
    drain: () => {
      dispatcher.draining = true;
    },
    handOver: () => handOver(ctx, gateway),
    start: async () => {
      await instance.start();
      endUpkeep = startUpkeep(ctx, { gateway, reconciler });
    },
    stop: async () => {
      dispatcher.draining = true;
      stopping.abort();
      endUpkeep();
      gateway.sendAway();
      await gateway.settled();
      await addUp(ctx);
      await instance.stop();
    },
  };
}

/** What goes on beside the beats; the function ends it. */
function startUpkeep(ctx: EngineContext, { gateway, reconciler }: { gateway: Gateway; reconciler: Reconciler }): () => void {
  const timers = [
    setInterval(() => gateway.checkLiveness(), LIVENESS_CHECK_MS),
    setInterval(() => reconciler.request(), RECONCILE_MS),
    setInterval(() => void housekeep(ctx), PRUNE_MS),
    setInterval(() => void addUp(ctx), ADD_UP_MS),
  ];
  return () => {
    for (const timer of timers) clearInterval(timer);
  };
}

/** Recorded first, so that no worker has to say again elsewhere what it has said here. */
async function handOver(ctx: EngineContext, gateway: Gateway): Promise<void> {
  const { signal } = ctx;
  await Promise.race([gateway.recorded(), sleep(RECORD_MS, undefined, { signal }).catch(() => undefined)]);
  gateway.sendAway();
  if (ctx.alone()) return;
  const until = performance.now() + HAND_OVER_MS;
  const isLeft = async (): Promise<boolean> => (await leasesOfInstance(ctx.db, ctx.instanceId()).catch(() => [])).length > 0;
  while (performance.now() < until && !signal.aborted && (await isLeft())) await sleep(50);
}

/** The streams' feed, which sees every commit of this instance. */
function counting(feed: CommitFeed, tallies: Tallies): CommitFeed {
  return {
    ...feed,
    committed: (sessionId, events) => {
      tallies.committed(events);
      feed.committed(sessionId, events);
    },
  };
}

async function addUp(ctx: EngineContext): Promise<void> {
  await ctx.tallies.flush().catch((error: unknown) => ctx.log.warn({ err: error }, 'figures not added up'));
}

async function housekeep(ctx: EngineContext): Promise<void> {
  const until = performance.now() + PRUNE_FOR_MS;
  const isTime = (): boolean => ctx.signal.aborted || performance.now() > until;
  await pruneAll(ctx.db, isTime, { ...DEFAULT_RETENTION, auditDays: ctx.settings.auditDays }).catch((error: unknown) =>
    ctx.log.warn({ err: error }, 'old rows not pruned'),
  );
}

/** What a beat found to be due. Each part is independent of the others. */
async function runDue(ctx: EngineContext, instance: Instance, result: BeatResult): Promise<void> {
  ctx.breakers.observe(result.breakers);
  const run = (what: string, work: () => Promise<boolean | void>): Promise<boolean | void> =>
    work().catch((error: unknown) => {
      ctx.log.error({ err: error }, `${what} failed`);
      return false;
    });
  const fired = result.timersDue ? await run('timers', () => fireTimers(ctx)) : true;
  const removed = result.timersDue ? await run('containers', () => removeContainers(ctx)) : true;
  if (result.deliveriesDue) ctx.sendWebhooks();
  if (result.leasesOverdue) await run('time-outs', () => endOverdue(ctx));
  if (result.readyOverdue) await run('schedule-to-start time-outs', () => endUnstarted(ctx));
  if (result.leasesOrphaned && !instance.inGrace()) await run('orphaned leases', () => recoverOrphans(ctx));
  else if (result.leasesOrphaned) instance.soon(500);
  if (result.readyPools.length > 0) ctx.dispatcher.poke(result.readyPools);
  // A timer that cannot be fired waits for the next beat, or it would be tried without a pause.
  if (result.nextTimerMs !== null && fired === true && removed !== false) instance.soon(Math.ceil(result.nextTimerMs));
}

function workersOf(dispatcher: Dispatcher): ReturnType<Engine['workers']> {
  return [...dispatcher.attachments.values()].map((attachment) => {
    const { worker, draining, loopDelayMs } = attachment;
    return { id: worker.workerId, load: attachment.load(), draining, loopDelayMs };
  });
}
