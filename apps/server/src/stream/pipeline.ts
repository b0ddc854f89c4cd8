import { createBus } from '@everruns/bus';
import type { HintTransport } from '@everruns/bus';
import { PlatformError } from '@everruns/contract';
import type { Uuid } from '@everruns/contract';
import { Follower } from './follower.ts';
import { Hub } from './hub.ts';
import type { HubSession, Watcher } from './hub-session.ts';
import { StreamLimits } from './limits.ts';
import { LiveOutputs } from './live-outputs.ts';
import { LiveTexts } from './live-texts.ts';
import type { LogReader, TextTable } from './log-port.ts';
import type { OpenTurnWait, Peers, StreamClock, StreamConfig, StreamStats } from './port.ts';
import { SseStream } from './sse-stream.ts';
import type { Sink, StreamShop } from './sse-stream.ts';
import { requireKept } from './stream-query.ts';
import type { StreamRequest } from './stream-request.ts';
import { Sync } from './sync.ts';
import { TextRelay } from './text-relay.ts';
import { waitForTurnEnd } from './turn-wait.ts';
import { Turnstile } from './turnstile.ts';
import { Wheel } from './wheel.ts';

const WHEEL_STEP_MS = 50;
const SWEEP_MS = 10_000;
const TEXT_IDLE_MS = 600_000;
const TRUNCATE_MS = 60_000;
const SHUTDOWN_MS = 3_000;

export interface PipelineDeps {
  log: LogReader;
  texts: TextTable;
  transport: HintTransport;
  peers: Peers;
  config: StreamConfig;
  clock: StreamClock;
  defer: (work: () => void) => void;
  random: () => number;
  onError: (error: unknown) => void;
}

/** The event pipeline over its ports: hub, text relay, bus, and the streams that hang on them. */
export class Pipeline {
  readonly hub: Hub;
  readonly sync: Sync;
  readonly limits: StreamLimits;
  readonly #deps: PipelineDeps;
  readonly #relay: TextRelay;
  readonly #shop: StreamShop;
  readonly #streams = new Set<SseStream>();
  readonly #bus: ReturnType<typeof createBus>;
  #onEmpty: (() => void) | null = null;
  #stopSweep: () => void = () => undefined;
  #sweptMs = 0;
  #droppedSlow = 0;
  #closed = false;

  constructor(deps: PipelineDeps) {
    const { clock, config, peers, onError } = deps;
    const time = { nowMs: () => clock.nowMs(), after: (delayMs: number, callback: () => void) => clock.after(delayMs, callback) };
    this.#deps = deps;
    this.limits = new StreamLimits(config);
    this.#bus = createBus({
      instanceId: () => peers.instanceId,
      transport: deps.transport,
      onNumber: (n) => peers.setHintNumber(n),
      onError,
    });
    this.hub = new Hub({
      ...config,
      ...time,
      log: deps.log,
      texts: new LiveTexts(time.nowMs),
      outputs: new LiveOutputs(time.nowMs),
      defer: deps.defer,
      arriving: (sessionIds) => this.#relay.arriving(sessionIds),
      onMark: (sessionId, mark) => this.#relay.ended(sessionId, mark),
      onError,
    });
    this.#relay = new TextRelay({ ...time, table: deps.texts, bus: this.#bus, hub: this.hub, peers, flushMs: config.textFlushMs, onError });
    this.sync = new Sync({ ...time, bus: this.#bus, hub: this.hub, relay: this.#relay, peers, onError });
    this.#shop = {
      ...config,
      ...time,
      hub: this.hub,
      log: deps.log,
      replays: new Turnstile(config.replays),
      wheel: new Wheel({ ...time, stepMs: WHEEL_STEP_MS }),
      random: deps.random,
      onSlow: () => void this.#droppedSlow++,
      onError,
    };
    this.#sweepLater();
  }

  /** Finds where a stream begins. Nothing is missed from here on, so the caller has to `open` or `abandon` it. */
  async prepare(orgId: Uuid, request: StreamRequest): Promise<PreparedStream> {
    if (this.#closed) throw new PlatformError('unavailable', 'The server is shutting down.', { retryAfterSeconds: 1 });
    const release = this.limits.acquire(orgId, request.sessionId);
    const watched = await this.begin(orgId, request).catch((error: unknown) => {
      release();
      throw error;
    });
    const { session, probe, follower } = watched;
    return {
      open: (sink) => {
        const stream = new SseStream(this.#shop, { session: this.hub.watch(session.id, orgId, probe), follower, sink });
        session.watchers.add(stream);
        this.hub.unwatch(session, probe);
        this.#streams.add(stream);
        stream.start();
        if (probe.isGone()) stream.gone();
        return {
          drained: () => stream.drained(),
          closed: () => {
            release();
            stream.closed();
            this.#streams.delete(stream);
            if (this.#streams.size === 0) this.#onEmpty?.();
          },
        };
      },
      abandon: () => {
        release();
        this.hub.unwatch(session, probe);
      },
    };
  }

  /** Watches a session and makes a follower where the request begins. Throws what the client is told. */
  async begin(orgId: Uuid, request: StreamRequest): Promise<Watched> {
    const probe = createProbe();
    const session = this.hub.watch(request.sessionId, orgId, probe);
    try {
      const start = await this.#deps.log.start({ sessionId: request.sessionId, orgId, after: request.after, live: request.live });
      if (start === null || probe.isGone()) throw new PlatformError('not_found', 'There is no such session.');
      if (request.after !== null) requireKept(request.after, start.firstSequence, request.cursorField);
      const isNew = session.position === null;
      this.hub.begin(session, start.lastSequence);
      if (isNew && start.running) void this.#relay.readSessions([session.id]);
      const follower = new Follower({
        sessionId: request.sessionId,
        after: start.after,
        open: start.open,
        // A sequence that the log has not reached is no place in it: the stream began elsewhere.
        shown: request.after === start.after ? request.shown : null,
        resumed: request.after === start.after,
        wants: request.wants,
        accumulated: request.accumulated,
        date: () => this.#deps.clock.date(),
      });
      return { session, probe, follower };
    } catch (error) {
      this.hub.unwatch(session, probe);
      throw error;
    }
  }

  /** Counts as a stream from now on; throws `too_many_streams` and `not_found`. */
  async openTurnWait(orgId: Uuid, sessionId: Uuid): Promise<OpenTurnWait> {
    const release = this.limits.acquire(orgId, sessionId);
    const request = { sessionId, after: null, live: true, shown: null, wants: () => true, accumulated: false, cursorField: '' };
    const { session, probe } = await this.begin(orgId, request).catch((error: unknown) => {
      release();
      throw error;
    });
    const deps = { hub: this.hub, log: this.#deps.log, after: this.#shop.after };
    return {
      ended: (wait) => waitForTurnEnd(deps, { session, probe }, wait),
      close: () => {
        release();
        this.hub.unwatch(session, probe);
      },
    };
  }

  stats(): StreamStats {
    return {
      streams: this.#streams.size,
      watchedSessions: this.hub.size,
      replaysWaiting: this.#shop.replays.waiting,
      ringBytes: this.hub.ringBytes,
      openTexts: this.hub.texts.count,
      droppedSlow: this.#droppedSlow,
      resyncs: this.sync.resyncs,
    };
  }

  /** Ends all streams, each with its last frame, then everything else. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#stopSweep();
    for (const stream of this.#streams) stream.close('shutdown');
    if (this.#streams.size > 0) {
      await new Promise<void>((resolve) => {
        this.#onEmpty = resolve;
        this.#deps.clock.after(SHUTDOWN_MS, resolve);
      });
    }
    this.sync.close();
    this.hub.close();
    await this.#relay.close();
    await this.#bus.close();
    this.#shop.wheel.stop();
  }

  #sweepLater(): void {
    this.#stopSweep = this.#deps.clock.after(SWEEP_MS, () => {
      this.hub.sweep();
      const limits = { idleMs: TEXT_IDLE_MS, maxUnits: this.#deps.config.openTextUnits };
      for (const live of [this.hub.texts, this.hub.outputs]) live.prune(limits, (id) => this.hub.isWatched(id));
      this.#sweptMs += SWEEP_MS;
      if (this.#sweptMs % TRUNCATE_MS === 0 && !this.#deps.peers.alone()) this.#deps.texts.truncateOlder().catch(this.#deps.onError);
      if (!this.#closed) this.#sweepLater();
    });
  }
}

export interface PreparedStream {
  /** Sends `connected` and goes on by itself; the caller tells it of its connection. */
  open(sink: Sink): { drained(): void; closed(): void };
  abandon(): void;
}

export interface Watched {
  session: HubSession;
  probe: Probe;
  follower: Follower;
}

/** Holds a session's place in the hub until the real watcher is there. */
export type Probe = Watcher & { isGone(): boolean };

function createProbe(): Probe {
  let gone = false;
  return {
    wake: () => undefined,
    gone: () => {
      gone = true;
    },
    isGone: () => gone,
  };
}
