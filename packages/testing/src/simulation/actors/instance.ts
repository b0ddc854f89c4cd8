import type { Uuid } from '@everruns/contract';
import type { DecideContext } from '@everruns/engine';
import { short } from '../base/ids.ts';
import { Life, sleep } from '../base/task.ts';
import type { Task } from '../base/task.ts';
import { beat, loseInstance, registerInstance } from '../statements/instances.ts';
import type { BeatResult } from '../statements/instances.ts';
import type { Sql } from '../store/statement.ts';
import type { InstanceRow } from '../store/tables.ts';
import { SqlError } from '../store/tx.ts';
import { Breakers } from './breakers.ts';
import { Delivery } from './delivery.ts';
import { Dispatcher } from './dispatcher.ts';
import { runDue } from './engine.ts';
import { Gateway } from './gateway.ts';
import { Reconciler } from './reconciler.ts';
import { count } from './world.ts';
import type { World } from './world.ts';

const BEAT_MS = 2_000;
const LOST_AFTER_MS = 6_000;
const PAUSE_MS = 3_000;
const PAUSE_CHECK_MS = 500;
/** Grace after the start, and after a loss, for workers that hold leases of the instance that was before. */
const GRACE_MS = 2_500;
/** Between two beats at least, whatever is due. */
const SOONEST_MS = 10;
const AFTER_FAILURE_MS = 250;
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
  delivery: Delivery;
  breakers: Breakers;
  gateway: Gateway;
  reconciler: Reconciler;
  /** It serves requests. */
  ready = false;
  /** Its wall clock against real time, and how fast its own clock runs. */
  #skewMs: number;
  readonly #pace: number;
  #watched = new Map<Uuid, Watch>();
  #lastBeatMs: number | null = null;
  #graceUntilMs = 0;
  /** Looks in a row at which the last renewal was too old. */
  #lateLooks = 0;
  /** When the next beat is due, on its own clock; infinite while none is planned. */
  #dueMs = Infinity;
  #beating = false;
  #beatWanted = false;
  #working = false;
  #found: BeatResult | null = null;
  #cutOffUntilMs = 0;

  constructor(world: World, name: string) {
    this.world = world;
    this.name = name;
    this.#skewMs = world.random.between(-600_000, 600_000);
    this.#pace = world.random.between(0.98, 1.02);
    this.life = this.#newLife();
    this.dispatcher = new Dispatcher(this);
    this.delivery = new Delivery(this);
    this.breakers = new Breakers(this);
    this.gateway = new Gateway(this);
    this.reconciler = new Reconciler(this);
  }

  /** A new process in place of one that is gone. */
  start(): void {
    this.life = this.#newLife();
    this.dispatcher = new Dispatcher(this);
    this.delivery = new Delivery(this);
    this.breakers = new Breakers(this);
    this.gateway = new Gateway(this);
    this.reconciler = new Reconciler(this);
    this.#watched = new Map();
    this.#lastBeatMs = null;
    this.#lateLooks = 0;
    this.#dueMs = Infinity;
    this.#beating = this.#beatWanted = this.#working = false;
    this.#found = null;
    this.#skewMs = this.world.random.between(-600_000, 600_000);
    this.life.onEnd(() => (this.ready = false));
    this.life.spawn(this.#begin(this.life));
  }

  /** Is no other instance alive? */
  alone(): boolean {
    return this.#watched.size === 0;
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

  inGrace(): boolean {
    return this.#now() < this.#graceUntilMs;
  }

  /** Brings the next beat forward, for something that is due earlier. */
  soon(ms: number): void {
    const inMs = Math.max(SOONEST_MS, Math.min(ms, BEAT_MS));
    if (this.#now() + inMs < this.#dueMs) this.#schedule(inMs);
  }

  #newLife(): Life {
    return new Life((error) => {
      if (error instanceof SqlError) this.world.trace(() => `${this.name}: ${error.message}`);
      else this.world.violations.report(`${this.name} failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    });
  }

  /** A start that fails is tried again, under another id, by whoever supervises the process. */
  *#begin(life: Life): Task<void> {
    for (;;) {
      this.id = this.world.ids.named('a');
      this.#graceUntilMs = this.#now() + GRACE_MS;
      try {
        yield* this.db(registerInstance(this.id));
        break;
      } catch (error) {
        if (!(error instanceof SqlError)) throw error;
        yield* sleep(this.world.timeline, AFTER_FAILURE_MS);
      }
    }
    life.spawn(this.#every(PAUSE_CHECK_MS, () => this.#checkPause()));
    life.spawn(this.#every(RECONCILE_MS, () => this.reconciler.request()));
    yield* this.#renew();
    if (this.#dueMs === Infinity) this.#schedule(BEAT_MS);
    this.ready = true;
  }

  *#every(ms: number, act: () => void): Task<void> {
    for (;;) {
      yield* sleep(this.world.timeline, ms / this.#pace);
      act();
    }
  }

  /** Two looks, so that a process that was stopped itself gets to its beat first. */
  #checkPause(): void {
    const isLate = this.#lastBeatMs !== null && this.#now() - this.#lastBeatMs > PAUSE_MS;
    this.#lateLooks = isLate ? this.#lateLooks + 1 : 0;
    if (this.#lateLooks >= 2) this.#setPaused(true);
  }

  /** Others may take it for lost: it claims nothing, and its workers are better off elsewhere. */
  #setPaused(paused: boolean): void {
    if (paused === this.dispatcher.away) return;
    this.dispatcher.away = paused;
    if (!paused) this.dispatcher.poke();
    else if (!this.alone()) this.gateway.sendAway();
  }

  #now(): number {
    return this.world.timeline.nowMs * this.#pace;
  }

  #schedule(ms: number): void {
    const dueMs = this.#now() + ms;
    const { life } = this;
    this.#dueMs = dueMs;
    this.world.timeline.after(ms / this.#pace, () =>
      life.act(() => {
        if (this.#dueMs !== dueMs) return; // another time was set
        this.#dueMs = Infinity;
        life.spawn(this.#renewAndPlan());
      }),
    );
  }

  *#renewAndPlan(): Task<void> {
    yield* this.#renew();
    if (this.#dueMs === Infinity) this.#schedule(BEAT_MS);
  }

  /** One beat at a time. */
  *#renew(): Task<void> {
    this.#beatWanted = true;
    if (this.#beating) return;
    this.#beating = true;
    while (this.#beatWanted) {
      this.#beatWanted = false;
      yield* this.#beat();
    }
    this.#beating = false;
  }

  *#beat(): Task<void> {
    try {
      const result = yield* this.db(beat(this.id));
      const now = this.#now();
      const unbroken = this.#lastBeatMs !== null && now - this.#lastBeatMs <= PAUSE_MS;
      if (!result.renewed) yield* this.#reborn();
      this.#lastBeatMs = now;
      this.#lateLooks = 0;
      this.#setPaused(false);
      yield* this.#judge(result.peers, { now, unbroken });
      this.#workOn(result);
    } catch (error) {
      if (!(error instanceof SqlError)) throw error;
      this.#checkPause();
      this.#schedule(AFTER_FAILURE_MS);
    }
  }

  /** What later beats found while the work goes on is one more round after it. */
  #workOn(result: BeatResult): void {
    this.#found = result;
    if (this.#working) return;
    this.#working = true;
    this.life.spawn(this.#work());
  }

  *#work(): Task<void> {
    for (let found = this.#found; found !== null; found = this.#found) {
      this.#found = null;
      yield* runDue(this, found);
    }
    this.#working = false;
  }

  /** Declared lost: what was granted under the old id is everyone's to recover. */
  *#reborn(): Task<void> {
    count(this.world, 'instance reborn');
    this.id = this.world.ids.named('a');
    this.#graceUntilMs = this.#now() + GRACE_MS;
    this.world.trace(() => `${this.name} was declared lost, goes on as ${short(this.id)}`);
    this.gateway.sendAway();
    yield* this.db(registerInstance(this.id));
  }

  *#judge(peers: readonly InstanceRow[], at: { now: number; unbroken: boolean }): Task<void> {
    const alive = new Set(peers.map((peer) => peer.id));
    for (const id of this.#watched.keys()) if (!alive.has(id)) this.#watched.delete(id);
    for (const peer of peers) {
      const watch = this.#watched.get(peer.id);
      if (watch === undefined || watch.beat !== peer.beat || !at.unbroken) this.#watched.set(peer.id, { beat: peer.beat, sinceMs: at.now });
      else if (at.now - watch.sinceMs >= LOST_AFTER_MS) yield* this.#lose(peer);
    }
  }

  *#lose(peer: InstanceRow): Task<void> {
    if (!(yield* this.db(loseInstance(peer)))) return;
    count(this.world, 'instance lost');
    this.world.trace(() => `${this.name} declares ${short(peer.id)} lost`);
    this.#watched.delete(peer.id);
  }
}
