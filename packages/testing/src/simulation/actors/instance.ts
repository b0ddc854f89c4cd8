import type { Pool, Uuid } from '@everruns/contract';
import type { DecideContext } from '@everruns/engine';
import { short } from '../base/ids.ts';
import { Life, sleep } from '../base/task.ts';
import type { Task } from '../base/task.ts';
import { beat, loseInstance, registerInstance } from '../statements/instances.ts';
import type { BeatResult } from '../statements/instances.ts';
import type { Sql } from '../store/statement.ts';
import type { InstanceRow } from '../store/tables.ts';
import { SqlError } from '../store/tx.ts';
import { Dispatcher } from './dispatcher.ts';
import { Gateway } from './gateway.ts';
import { Reconciler } from './reconciler.ts';
import { endOverdue, endUnstarted, fireTimers, recoverOrphans } from './recovery.ts';
import { repeat } from './repeat.ts';
import { count } from './world.ts';
import type { World } from './world.ts';

const BEAT_MS = 2_000;
const LOST_AFTER_MS = 6_000;
const PAUSE_MS = 3_000;
const RECONCILE_MS = 15_000;
const CLIENT_DEADLINE_MS = 15_000;

interface Watch {
  beat: number;
  sinceMs: number;
}

/** One control-plane process: claims, completions, recovery, and the beat by which instances judge each other. */
export class Instance {
  readonly world: World;
  readonly name: string;
  life: Life;
  id: Uuid = '';
  dispatcher: Dispatcher;
  gateway: Gateway;
  reconciler: Reconciler;
  /** Its wall clock against real time, and how fast its own clock runs. */
  #skewMs: number;
  readonly #pace: number;
  #watched = new Map<Uuid, Watch>();
  #lastBeatMs: number | null = null;
  #soonMs = BEAT_MS;
  #cutOffUntilMs = 0;

  constructor(world: World, name: string) {
    this.world = world;
    this.name = name;
    this.#skewMs = world.random.between(-600_000, 600_000);
    this.#pace = world.random.between(0.98, 1.02);
    this.life = this.#newLife();
    this.dispatcher = new Dispatcher(this);
    this.gateway = new Gateway(this);
    this.reconciler = new Reconciler(this);
  }

  /** A new process in place of one that is gone. */
  start(): void {
    this.life = this.#newLife();
    this.dispatcher = new Dispatcher(this);
    this.gateway = new Gateway(this);
    this.reconciler = new Reconciler(this);
    this.#watched = new Map();
    this.#lastBeatMs = null;
    this.id = this.world.ids.named('a');
    this.#skewMs = this.world.random.between(-600_000, 600_000);
    this.life.spawn(this.#live(this.life));
    this.life.spawn(this.#housekeep(this.life));
  }

  /** Is no other instance alive? */
  alone(): boolean {
    return this.#watched.size === 0;
  }

  get ready(): boolean {
    return this.life.alive && this.#lastBeatMs !== null;
  }

  *db<T>(sql: Sql<T>): Task<T> {
    yield* this.#reach();
    return yield* this.world.server.run(sql);
  }

  *transaction<T>(work: (run: <U>(sql: Sql<U>) => Task<U>) => Task<T>): Task<T> {
    yield* this.#reach();
    return yield* this.world.server.transaction(this.life, work);
  }

  /** Cuts this instance off from the database, and from nothing else. */
  cutOff(forMs: number): void {
    this.#cutOffUntilMs = this.world.timeline.nowMs + forMs;
  }

  *#reach(): Task<void> {
    if (this.world.timeline.nowMs >= this.#cutOffUntilMs || !this.world.chaos.active) return;
    yield* sleep(this.world.timeline, this.world.random.next() * 20);
    throw new SqlError('08006', 'no way to the server');
  }

  /** What a decision of this instance may look at. */
  decideContext(): DecideContext {
    return { nowMs: Math.round(this.world.timeline.nowMs + this.#skewMs), ids: this.world.ids, clientDeadlineMs: CLIENT_DEADLINE_MS };
  }

  /** New work: claimed here, and told to the others. */
  wake(pools: ReadonlySet<Pool>): void {
    const { world } = this;
    if (pools.size === 0 || world.faults.has('wakeup_forgotten')) return;
    this.dispatcher.poke(pools);
    for (const other of world.instances) {
      if (other === this || world.chaos.losesHint()) continue;
      world.timeline.after(world.chaos.delayMs(), () => other.life.alive && other.dispatcher.poke(pools));
    }
  }

  /** Holders of leases that are gone hear of it, here and elsewhere. */
  cancelled(tokens: readonly Uuid[]): void {
    const { world } = this;
    if (tokens.length === 0) return;
    for (const token of tokens) this.gateway.cancelLease(token);
    for (const other of world.instances) {
      if (other === this || world.chaos.losesHint()) continue;
      world.timeline.after(world.chaos.delayMs(), () => {
        if (other.life.alive) for (const token of tokens) other.gateway.cancelLease(token);
      });
    }
  }

  #newLife(): Life {
    return new Life((error) => {
      if (error instanceof SqlError) this.world.trace(() => `${this.name}: ${error.message}`);
      else this.world.violations.report(`${this.name} failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    });
  }

  *#live(life: Life): Task<void> {
    yield* this.#register();
    while (life.alive) {
      this.#soonMs = BEAT_MS;
      try {
        yield* this.#beat();
      } catch (error) {
        if (!(error instanceof SqlError)) throw error;
        if (this.#lastBeatMs === null || this.#now() - this.#lastBeatMs > PAUSE_MS) this.#pause();
        this.#soonMs = 250;
      }
      yield* sleep(this.world.timeline, this.#soonMs / this.#pace);
    }
  }

  /** Others may take it for lost: it claims nothing, and its workers are better off elsewhere. */
  #pause(): void {
    if (this.dispatcher.paused) return;
    this.dispatcher.paused = true;
    if (!this.alone()) this.gateway.sendAway();
  }

  *#housekeep(life: Life): Task<void> {
    while (life.alive) {
      yield* sleep(this.world.timeline, RECONCILE_MS);
      this.reconciler.request();
    }
  }

  /** A start that fails is one that is tried again by whoever supervises the process. */
  *#register(): Task<void> {
    for (;;) {
      try {
        return yield* repeat(this, () => this.db(registerInstance(this.id)));
      } catch (error) {
        if (!(error instanceof SqlError)) throw error;
      }
    }
  }

  #now(): number {
    return this.world.timeline.nowMs * this.#pace;
  }

  *#beat(): Task<void> {
    const result = yield* this.db(beat(this.id));
    const now = this.#now();
    const unbroken = this.#lastBeatMs !== null && now - this.#lastBeatMs <= PAUSE_MS;
    if (!result.renewed) yield* this.#reborn();
    this.#lastBeatMs = now;
    this.dispatcher.paused = false;
    yield* this.#judge(result.peers, { now, unbroken });
    yield* this.#due(result);
  }

  /** Declared lost: what was granted under the old id is everyone's to recover. */
  *#reborn(): Task<void> {
    count(this.world, 'instance reborn');
    this.id = this.world.ids.named('a');
    this.world.trace(() => `${this.name} was declared lost, goes on as ${short(this.id)}`);
    this.gateway.sendAway();
    yield* this.#register();
  }

  *#judge(peers: readonly InstanceRow[], at: { now: number; unbroken: boolean }): Task<void> {
    const known = new Set(peers.map((peer) => peer.id));
    for (const id of this.#watched.keys()) if (!known.has(id)) this.#watched.delete(id);
    for (const peer of peers) {
      const watch = this.#watched.get(peer.id);
      if (watch === undefined || watch.beat !== peer.beat || !at.unbroken) this.#watched.set(peer.id, { beat: peer.beat, sinceMs: at.now });
      else if (at.now - watch.sinceMs >= LOST_AFTER_MS && (yield* this.db(loseInstance(peer)))) {
        count(this.world, 'instance lost');
        this.world.trace(() => `${this.name} declares ${short(peer.id)} lost`);
        this.#watched.delete(peer.id);
        this.#soonMs = 500;
      }
    }
  }

  *#due(result: BeatResult): Task<void> {
    if (result.timersDue) yield* fireTimers(this);
    if (result.leasesOverdue) yield* endOverdue(this);
    if (result.readyOverdue) yield* endUnstarted(this);
    if (result.leasesOrphaned) yield* recoverOrphans(this);
    if (!this.world.faults.has('wakeup_forgotten')) this.dispatcher.poke(new Set(result.readyPools));
  }
}
