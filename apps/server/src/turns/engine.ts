import type { IdSource, ResolvedModel, WorkerGateway } from '@everruns/contract';
import { claimTasks, prune } from '@everruns/storage';
import type { BeatResult, Database, TurnConfig } from '@everruns/storage';
import type { CommitFeed, Peers, ReadyHints } from '../stream/port.ts';
import { Breakers } from './breakers.ts';
import { cancelLease, ENGINE_DEFAULTS } from './context.ts';
import type { EngineContext, EngineSettings, Log } from './context.ts';
import { Dispatcher } from './dispatcher.ts';
import { Gateway } from './gateway.ts';
import { Instance } from './instance.ts';
import type { TurnService } from './port.ts';
import { Reconciler } from './reconciler.ts';
import { endOverdue, endUnstarted, fireTimers, recoverOrphans } from './recovery.ts';
import { requeueDeadLetter } from './requeue.ts';
import { createTurnService, TURN_VERSION } from './service.ts';

export interface EngineDeps<S extends EventPipeline> {
  db: Database;
  ids: IdSource;
  log: Log;
  resolveModel(config: TurnConfig): Promise<ResolvedModel>;
  /** Made by the caller once it has the instance: streams need to know the peers. */
  streams(peers: Peers): S;
  address: string;
  sole: boolean;
  settings?: Partial<EngineSettings>;
  nowMs?: () => number;
  random?: () => number;
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
  gateway: WorkerGateway;
  peers: Peers;
  workers(): { id: string; load: number; draining: boolean; loopDelayMs: number }[];
  /** Runs a dead letter again; see `requeueDeadLetter`. */
  requeue(id: string): Promise<{ taskId: string }>;
  /** No more claims; workers are asked to drain. */
  drain(): void;
  start(): Promise<void>;
  stop(): Promise<void>;
}

const SILENCE_CHECK_MS = 500;
const PRUNE_MS = 60_000;

/** The engine of one control-plane instance: claims, completions, recovery and the beat that keeps them going. */
export function createEngine<S extends EventPipeline>(deps: EngineDeps<S>): Engine<S> {
  const stopping = new AbortController();
  const settings = { ...ENGINE_DEFAULTS, ...deps.settings };
  // The parts refer to each other only when they run, never while they are made.
  const instance: Instance = new Instance({
    db: deps.db,
    newId: () => deps.ids.next(),
    versions: { turn: [TURN_VERSION] },
    address: deps.address,
    sole: deps.sole,
    log: deps.log,
    onBeat: (result) => runDue(ctx, instance, result),
    onReborn: () => {
      for (const attachment of dispatcher.attachments.values()) gateway.detach(attachment);
    },
    onPaused: (paused) => {
      dispatcher.paused = paused;
      if (!paused) dispatcher.poke();
    },
  });
  const dispatcher: Dispatcher = new Dispatcher({
    claim: (command) => claimTasks(deps.db, { ...command, instanceId: instance.instanceId, orgCap: settings.orgCap }),
    assign: (attachment, task) => gateway.assign(attachment, task),
    orphaned: (task) => void gateway.orphaned(task),
    onError: (error) => {
      deps.log.warn({ err: error }, 'claim failed');
      ctx.reconcile();
    },
  });
  const streams = deps.streams(instance);
  const { feed, readyHints } = streams;
  const ctx: EngineContext = {
    db: deps.db,
    ids: deps.ids,
    nowMs: deps.nowMs ?? Date.now,
    random: deps.random ?? Math.random,
    settings,
    log: deps.log,
    feed,
    hints: readyHints,
    dispatcher,
    breakers: new Breakers(deps.db),
    instanceId: () => instance.instanceId,
    resolveModel: (config) => deps.resolveModel(config),
    signal: stopping.signal,
    reconcile: () => reconciler.request(),
  };
  const reconciler = new Reconciler(ctx);
  const gateway = new Gateway(ctx);
  readyHints.onReady((pools) => dispatcher.poke(pools));
  readyHints.onCancelled((tokens) => {
    for (const token of tokens) cancelLease(ctx, { token });
  });
  const timers: NodeJS.Timeout[] = [];
  return {
    streams,
    turns: createTurnService(ctx),
    gateway,
    peers: instance,
    workers: () =>
      [...dispatcher.attachments.values()].map((attachment) => {
        return {
          id: attachment.worker.workerId,
          load: attachment.load(),
          draining: attachment.draining,
          loopDelayMs: attachment.loopDelayMs,
        };
      }),
    requeue: (id) => requeueDeadLetter(ctx, id),
    drain: () => {
      dispatcher.paused = true;
    },
    start: async () => {
      await instance.start();
      timers.push(setInterval(() => gateway.checkLiveness(), SILENCE_CHECK_MS));
      timers.push(setInterval(() => void housekeep(ctx), PRUNE_MS));
    },
    stop: async () => {
      dispatcher.paused = true;
      for (const timer of timers) clearInterval(timer);
      stopping.abort();
      for (const attachment of dispatcher.attachments.values()) gateway.detach(attachment);
      await gateway.settled();
      await instance.stop();
    },
  };
}

async function housekeep(ctx: EngineContext): Promise<void> {
  await prune(ctx.db).catch((error: unknown) => ctx.log.warn({ err: error }, 'old rows not pruned'));
}

/** What a beat found to be due. Each part is independent of the others. */
async function runDue(ctx: EngineContext, instance: Instance, result: BeatResult): Promise<void> {
  ctx.breakers.observe(result.breakers);
  const run = (what: string, work: () => Promise<void>): Promise<void> =>
    work().catch((error: unknown) => ctx.log.error({ err: error }, `${what} failed`));
  if (result.timersDue) await run('timers', () => fireTimers(ctx));
  if (result.leasesOverdue) await run('time-outs', () => endOverdue(ctx));
  if (result.readyOverdue) await run('schedule-to-start time-outs', () => endUnstarted(ctx));
  if (result.leasesOrphaned && !instance.inGrace()) await run('orphaned leases', () => recoverOrphans(ctx));
  else if (result.leasesOrphaned) instance.soon(500);
  if (result.readyPools.length > 0) ctx.dispatcher.poke(result.readyPools);
  if (result.nextTimerMs !== null) instance.soon(Math.max(10, Math.ceil(result.nextTimerMs)));
}
