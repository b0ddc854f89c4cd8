import { POOLS } from '@everruns/contract';
import type { Pool, Uuid } from '@everruns/contract';
import type { Task } from '../base/task.ts';
import { claim } from '../statements/claim.ts';
import { SqlError } from '../store/tx.ts';
import type { Attachment } from './attachment.ts';
import type { Instance } from './instance.ts';
import { count } from './world.ts';

/** A seat that is kept for one task. */
export interface SeatOffer {
  attachment: Attachment;
  /** Free seats of the pool, this one included. */
  freeSeats: number;
  /** To be called once, after the task, if it took the seat, has been assigned. */
  release(): void;
}

/** Pauses before a claim that failed is made again: the task may be due, and without a word of it nobody looks before the next beat. */
const RETRY_MS = 50;
const MAX_RETRY_MS = 2_000;

interface PoolState {
  busy: boolean;
  wanted: boolean;
  backlog: boolean;
  /** Pause after the next claim that fails. */
  retryMs: number;
  /** A retry is under way. */
  retrying: boolean;
}

/** "There may be work" and "there are free seats" become claims, one at a time per pool. */
export class Dispatcher {
  readonly attachments = new Map<Uuid, Attachment>();
  /** This instance cannot renew itself, so the others may take it for lost. */
  away = false;
  /** This instance is shutting down. */
  draining = false;
  readonly #ctx: Instance;
  readonly #pools: Record<Pool, PoolState>;
  #offered = 0;

  constructor(ctx: Instance) {
    this.#ctx = ctx;
    const idle = (): PoolState => ({ busy: false, wanted: false, backlog: false, retryMs: RETRY_MS, retrying: false });
    this.#pools = { reason: idle(), tool: idle() };
  }

  /** Nothing is claimed. */
  get paused(): boolean {
    return this.away || this.draining;
  }

  poke(pools: ReadonlySet<Pool> = new Set(POOLS)): void {
    for (const pool of pools) this.#ctx.life.spawn(this.#run(pool));
  }

  seatFreed(pool: Pool): void {
    if (this.#pools[pool].backlog) this.poke(new Set([pool]));
  }

  /** Is a claim, or an offered seat, on its way whose leases nobody here knows of yet? */
  claiming(): boolean {
    return this.#offered > 0 || POOLS.some((pool) => this.#pools[pool].busy);
  }

  /** A free seat for a task that is about to come into being; null when there is none. It is kept until the offer is released. */
  offerSeat(pool: Pool): SeatOffer | null {
    if (this.paused) return null;
    const open = [...this.attachments.values()].filter((attachment) => attachment.free(pool) > 0);
    if (open.length === 0) return null;
    const freeSeats = open.reduce((sum, attachment) => sum + attachment.free(pool), 0);
    const attachment = this.#ctx.world.random.pick(open);
    attachment.promise(pool, 1);
    this.#offered++;
    const release = (): void => {
      this.#offered--;
      attachment.promise(pool, -1);
      this.seatFreed(pool);
    };
    return { attachment, freeSeats, release };
  }

  *#run(pool: Pool): Task<void> {
    const state = this.#pools[pool];
    state.wanted = true;
    if (state.busy || this.paused) return;
    state.busy = true;
    try {
      while (state.wanted && !this.paused) {
        state.wanted = false;
        const holders = this.#takeSeats(pool);
        if (holders.length === 0) {
          state.backlog = true;
          break;
        }
        yield* this.#claim(pool, holders);
      }
    } catch (error) {
      if (!(error instanceof SqlError)) throw error;
      state.backlog = true;
      count(this.#ctx.world, 'claim of unknown outcome');
      this.#ctx.reconciler.request();
      this.#retry(pool);
    } finally {
      state.busy = false;
    }
  }

  #retry(pool: Pool): void {
    const state = this.#pools[pool];
    if (state.retrying) return;
    state.retrying = true;
    const { retryMs } = state;
    state.retryMs = Math.min(MAX_RETRY_MS, 2 * retryMs);
    const { life, world } = this.#ctx;
    world.timeline.after(retryMs, () =>
      life.act(() => {
        state.retrying = false;
        this.poke(new Set([pool]));
      }),
    );
  }

  *#claim(pool: Pool, holders: readonly Attachment[]): Task<void> {
    const { delivery, world, id: instanceId } = this.#ctx;
    const state = this.#pools[pool];
    const seats = holders.map(({ seat }) => seat);
    const tokens = holders.map((): Uuid => world.ids.named('b'));
    try {
      const tasks = yield* this.#ctx.db(claim({ pool, seats, instanceId, tokens }, world.faults));
      state.retryMs = RETRY_MS;
      state.backlog = tasks.length === holders.length;
      if (state.backlog && tasks.length > 0) state.wanted = true;
      const byId = new Map(holders.map((attachment) => [attachment.id, attachment]));
      for (const task of tasks) {
        count(world, 'claimed');
        delivery.assign(byId.get(task.lease.attachment) as Attachment, task);
      }
    } finally {
      for (const attachment of holders) attachment.promise(pool, -1);
    }
  }

  /** Free seats, spread over the workers. */
  #takeSeats(pool: Pool): Attachment[] {
    const open = this.#ctx.world.random.shuffled([...this.attachments.values()].filter((attachment) => attachment.free(pool) > 0));
    const holders: Attachment[] = [];
    while (open.length > 0) {
      for (const attachment of open.splice(0)) {
        attachment.promise(pool, 1);
        holders.push(attachment);
        if (attachment.free(pool) > 0) open.push(attachment);
      }
    }
    return holders;
  }
}
