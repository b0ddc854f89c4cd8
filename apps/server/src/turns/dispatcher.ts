import { POOLS } from '@everruns/contract';
import type { Pool, Uuid } from '@everruns/contract';
import type { ClaimBatch, ClaimedTask, Seat } from '@everruns/storage';
import type { Attachment } from './attachment.ts';

/** Most tasks that one claim takes. */
const BATCH = 50;
/** Pauses before a claim that failed is made again: the task may be due, and without a word of it nobody looks before the next beat. */
const RETRY_MS = 50;
const MAX_RETRY_MS = 2_000;
const NO_ORG = '00000000-0000-0000-0000-000000000000';

export interface DispatcherDeps {
  claim(command: { pool: Pool; seats: readonly Seat[]; afterOrg: Uuid }): Promise<ClaimBatch>;
  /** A task was claimed for an attachment of this instance, which may be closed by now. */
  assign(attachment: Attachment, task: ClaimedTask): void;
  onError(error: unknown): void;
  /** Calls back once, later; a pending call need not keep the process alive. */
  after?: (delayMs: number, callback: () => void) => void;
}

/** A seat that is kept for one task. */
export interface SeatOffer {
  attachment: Attachment;
  /** Free seats of the pool, this one included. */
  freeSeats: number;
  /** To be called once, after the task, if it took the seat, has been assigned. */
  release(): void;
}

interface PoolState {
  /** A claim is running; another poke only marks that one more is wanted. */
  busy: boolean;
  wanted: boolean;
  /** There may be more than we had seats for: claim again when a seat becomes free. */
  backlog: boolean;
  afterOrg: Uuid;
  /** Pause after the next claim that fails. */
  retryMs: number;
  /** A retry is under way. */
  retrying: boolean;
}

/**
 * Turns "there may be work" and "there are free seats" into claims: one at a time per pool, so that a burst of hints becomes one batch. The
 * ready table is the truth; a poke that finds nothing costs one statement.
 */
export class Dispatcher {
  readonly attachments = new Map<Uuid, Attachment>();
  /** This instance is shutting down. */
  draining = false;
  readonly #deps: DispatcherDeps;
  readonly #pools: Record<Pool, PoolState>;
  #away = false;
  #resumptions = 0;
  #turn = 0;
  #offered = 0;

  constructor(deps: DispatcherDeps) {
    this.#deps = deps;
    const idle = (): PoolState => ({ busy: false, wanted: false, backlog: false, afterOrg: NO_ORG, retryMs: RETRY_MS, retrying: false });
    this.#pools = { reason: idle(), tool: idle() };
  }

  /** This instance cannot renew itself, so the others may take it for lost. */
  get away(): boolean {
    return this.#away;
  }

  set away(away: boolean) {
    if (this.#away && !away) this.#resumptions++;
    this.#away = away;
  }

  /** How often this instance has come back after it was away. */
  get resumptions(): number {
    return this.#resumptions;
  }

  /** Nothing is claimed. */
  get paused(): boolean {
    return this.away || this.draining;
  }

  poke(pools: readonly Pool[] = POOLS): void {
    for (const pool of pools) void this.#run(pool);
  }

  /** A seat became free: only worth a claim when the last one left something behind. */
  seatFreed(pool: Pool): void {
    if (this.#pools[pool].backlog) this.poke([pool]);
  }

  /** Is a claim, or an offered seat, on its way whose leases nobody here knows of yet? */
  claiming(): boolean {
    return this.#offered > 0 || POOLS.some((pool) => this.#pools[pool].busy);
  }

  /** A free seat for a task that is about to come into being; null when there is none. It is kept until the offer is released. */
  offerSeat(pool: Pool): SeatOffer | null {
    if (this.paused) return null;
    let freeSeats = 0;
    let best: Attachment | null = null;
    for (const attachment of this.attachments.values()) {
      const free = attachment.free(pool);
      freeSeats += Math.max(0, free);
      if (free > (best?.free(pool) ?? 0)) best = attachment;
    }
    if (best === null) return null;
    const attachment = best;
    attachment.promise(pool, 1);
    this.#offered++;
    const release = (): void => {
      this.#offered--;
      attachment.promise(pool, -1);
      this.seatFreed(pool);
    };
    return { attachment, freeSeats, release };
  }

  async #run(pool: Pool): Promise<void> {
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
        await this.#claim(pool, holders);
      }
    } catch (error) {
      state.backlog = true;
      this.#deps.onError(error);
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
    (this.#deps.after ?? unreferenced)(retryMs, () => {
      state.retrying = false;
      this.poke([pool]);
    });
  }

  async #claim(pool: Pool, holders: readonly Attachment[]): Promise<void> {
    const state = this.#pools[pool];
    try {
      const { tasks, more } = await this.#deps.claim({ pool, seats: holders.map(seatOf), afterOrg: state.afterOrg });
      state.retryMs = RETRY_MS;
      state.backlog = more || tasks.length === holders.length;
      if (state.backlog && tasks.length > 0) state.wanted = true;
      const last = tasks.at(-1);
      if (last !== undefined) state.afterOrg = last.orgId;
      const byId = new Map(holders.map((attachment) => [attachment.id, attachment]));
      for (const task of tasks) this.#assign(byId.get(task.seat.attachment) as Attachment, task);
    } finally {
      for (const attachment of holders) attachment.promise(pool, -1);
    }
  }

  /** A task that cannot be assigned must not keep the others, which are leased too, from their workers. */
  #assign(attachment: Attachment, task: ClaimedTask): void {
    try {
      this.#deps.assign(attachment, task);
    } catch (error) {
      this.#deps.onError(error);
    }
  }

  /** Free seats, spread over the workers so that one does not get everything. */
  #takeSeats(pool: Pool): Attachment[] {
    const open = [...this.attachments.values()].filter((attachment) => attachment.free(pool) > 0);
    const holders: Attachment[] = [];
    this.#turn++;
    for (let i = 0; holders.length < BATCH && open.length > 0; i++) {
      const index = (this.#turn + i) % open.length;
      const attachment = open[index] as Attachment;
      attachment.promise(pool, 1);
      holders.push(attachment);
      if (attachment.free(pool) <= 0) open.splice(index, 1);
    }
    return holders;
  }
}

export function seatOf(attachment: Attachment): Seat {
  return { workerId: attachment.worker.workerId, bootId: attachment.worker.bootId, attachment: attachment.id };
}

function unreferenced(delayMs: number, callback: () => void): void {
  setTimeout(callback, delayMs).unref();
}
