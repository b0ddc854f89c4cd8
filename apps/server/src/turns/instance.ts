import type { Uuid } from '@everruns/contract';
import { beat, loseInstance, loseOtherInstances, pruneInstances, registerInstance, retireInstance } from '@everruns/storage';
import type { BeatResult, PeerBeat } from '@everruns/storage';
import type { Database } from '@everruns/storage';
import type { Peers } from '../stream/port.ts';
import type { Log } from './context.ts';

const BEAT_MS = 2_000;
/** A peer whose counter has not moved for this long, while our own beats went on without a pause, is lost. */
const LOST_AFTER_MS = 6_000;
/** A pause of our own beats after which the others are watched anew. */
const PAUSE_MS = 3_000;
/** Grace at the start for workers that outlived the previous instance on this data. */
const SOLE_GRACE_MS = 1_000;

export interface InstanceDeps {
  db: Database;
  newId(): Uuid;
  versions: Record<string, number[]>;
  address: string;
  /** The only instance that can be alive on this data: the others in the table are lost from the start. */
  sole: boolean;
  log: Log;
  nowMs?: () => number;
  /** What every beat found; runs after the beat, one at a time. */
  onBeat(result: BeatResult): Promise<void>;
  /** This instance was declared lost and goes on under a new id. */
  onReborn(): void;
  /** Whether beats have been failing for longer than a pause. */
  onPaused(paused: boolean): void;
}

interface Watch {
  beat: number;
  sinceMs: number;
}

/**
 * This process among the other instances: one statement every two seconds renews it and shows everyone's counters. Others are judged by
 * our own monotonic clock only (core.md W6).
 */
export class Instance implements Peers {
  instanceId: Uuid;
  /** Beats go on, but orphaned leases are not swept before this time. */
  #graceUntilMs: number;
  readonly #deps: InstanceDeps;
  readonly #now: () => number;
  readonly #watched = new Map<Uuid, Watch>();
  readonly #resync = new Set<() => void>();
  #hintNo = 0;
  #hintNumbers = new Map<Uuid, number>();
  #lastBeatMs: number | null = null;
  #paused = false;
  #timer: NodeJS.Timeout | null = null;
  #stopped = false;
  #running: Promise<void> = Promise.resolve();

  constructor(deps: InstanceDeps) {
    this.#deps = deps;
    this.#now = deps.nowMs ?? (() => performance.now());
    this.instanceId = deps.newId();
    this.#graceUntilMs = this.#now() + SOLE_GRACE_MS;
  }

  async start(): Promise<void> {
    const { db, versions, address } = this.#deps;
    await registerInstance(db, { id: this.instanceId, versions, address });
    if (this.#deps.sole) await loseOtherInstances(db, this.instanceId);
    await this.tick();
    this.#schedule(BEAT_MS);
  }

  /** One beat; public so that tests and the composition can step it. */
  tick(): Promise<void> {
    this.#running = this.#running.then(() => this.#beat());
    return this.#running;
  }

  /** Brings the next beat forward, for a timer that is due earlier. */
  soon(ms: number): void {
    this.#schedule(Math.min(ms, BEAT_MS));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#running;
    await retireInstance(this.#deps.db, this.instanceId).catch(() => undefined); // the others notice by the missing beats
  }

  alone(): boolean {
    return this.#watched.size === 0;
  }

  onResync(listener: () => void): () => void {
    this.#resync.add(listener);
    return () => this.#resync.delete(listener);
  }

  setHintNumber(n: number): void {
    this.#hintNo = n;
  }

  hintNumbers(): ReadonlyMap<Uuid, number> {
    return this.#hintNumbers;
  }

  inGrace(): boolean {
    return this.#now() < this.#graceUntilMs;
  }

  #schedule(ms: number): void {
    if (this.#stopped) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#timer = null;
      void this.tick().finally(() => {
        if (this.#timer === null) this.#schedule(BEAT_MS);
      });
    }, ms);
  }

  async #beat(): Promise<void> {
    if (this.#stopped) return;
    try {
      const result = await beat(this.#deps.db, { id: this.instanceId, hintNo: this.#hintNo });
      const now = this.#now();
      const unbroken = this.#lastBeatMs !== null && now - this.#lastBeatMs <= PAUSE_MS;
      this.#lastBeatMs = now;
      this.#setPaused(false);
      if (!result.renewed) await this.#reborn();
      await this.#judge(result.peers, { now, unbroken });
      await this.#deps.onBeat(result);
    } catch (error) {
      if (this.#stopped) return;
      this.#deps.log.warn({ err: error }, 'beat failed');
      if (this.#lastBeatMs === null || this.#now() - this.#lastBeatMs > PAUSE_MS) this.#setPaused(true);
      this.#schedule(250);
    }
  }

  #setPaused(paused: boolean): void {
    if (paused === this.#paused) return;
    this.#paused = paused;
    this.#deps.onPaused(paused);
    if (!paused) this.#emitResync();
  }

  async #reborn(): Promise<void> {
    this.#deps.log.warn({ instance: this.instanceId }, 'this instance was declared lost; it goes on under a new id');
    this.instanceId = this.#deps.newId();
    await registerInstance(this.#deps.db, { id: this.instanceId, versions: this.#deps.versions, address: this.#deps.address });
    this.#deps.onReborn();
  }

  async #judge(peers: readonly PeerBeat[], at: { now: number; unbroken: boolean }): Promise<void> {
    const before = new Set(this.#watched.keys());
    this.#hintNumbers = new Map(peers.map((peer) => [peer.id, peer.hint_no]));
    const alive = new Set(peers.map((peer) => peer.id));
    let changed = false;
    for (const id of before) {
      if (!alive.has(id)) {
        this.#watched.delete(id);
        changed = true;
      }
    }
    for (const peer of peers) {
      const watch = this.#watched.get(peer.id);
      if (watch === undefined) changed = true;
      if (watch === undefined || watch.beat !== peer.beat || !at.unbroken) this.#watched.set(peer.id, { beat: peer.beat, sinceMs: at.now });
      else if (at.now - watch.sinceMs >= LOST_AFTER_MS) changed = (await this.#lose(peer)) || changed;
    }
    if (changed) this.#emitResync();
  }

  async #lose(peer: PeerBeat): Promise<boolean> {
    if (!(await loseInstance(this.#deps.db, peer))) return false;
    this.#deps.log.warn({ instance: peer.id }, 'another instance is lost');
    this.#watched.delete(peer.id);
    await pruneInstances(this.#deps.db);
    return true;
  }

  #emitResync(): void {
    for (const listener of this.#resync) listener();
  }
}
