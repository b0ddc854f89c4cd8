import { POOLS } from '@everruns/contract';
import type { Pool, Uuid } from '@everruns/contract';
import type { ClaimedTask, Seat } from '@everruns/storage';
import type { Attachment } from './attachment.ts';

/** Most tasks that one claim takes. */
const BATCH = 50;
const NO_ORG = '00000000-0000-0000-0000-000000000000';

export interface DispatcherDeps {
  claim(command: { pool: Pool; seats: readonly Seat[]; afterOrg: Uuid }): Promise<ClaimedTask[]>;
  /** A task was claimed for an attachment of this instance. */
  assign(attachment: Attachment, task: ClaimedTask): void;
  /** A task was claimed for an attachment that is gone by now. */
  orphaned(task: ClaimedTask): void;
  onError(error: unknown): void;
}

interface PoolState {
  /** A claim is running; another poke only marks that one more is wanted. */
  busy: boolean;
  wanted: boolean;
  /** There may be more than we had seats for: claim again when a seat becomes free. */
  backlog: boolean;
  afterOrg: Uuid;
}

/**
 * Turns "there may be work" and "there are free seats" into claims: one at a time per pool, so that a burst of hints becomes one batch. The
 * ready table is the truth; a poke that finds nothing costs one statement.
 */
export class Dispatcher {
  readonly attachments = new Map<Uuid, Attachment>();
  paused = false;
  readonly #deps: DispatcherDeps;
  readonly #pools: Record<Pool, PoolState>;
  #turn = 0;

  constructor(deps: DispatcherDeps) {
    this.#deps = deps;
    const idle = (): PoolState => ({ busy: false, wanted: false, backlog: false, afterOrg: NO_ORG });
    this.#pools = { reason: idle(), tool: idle() };
  }

  poke(pools: readonly Pool[] = POOLS): void {
    for (const pool of pools) void this.#run(pool);
  }

  /** A seat became free: only worth a claim when the last one left something behind. */
  seatFreed(pool: Pool): void {
    if (this.#pools[pool].backlog) this.poke([pool]);
  }

  /** Is a claim on its way whose leases nobody here knows of yet? */
  claiming(): boolean {
    return POOLS.some((pool) => this.#pools[pool].busy);
  }

  async #run(pool: Pool): Promise<void> {
    const state = this.#pools[pool];
    state.wanted = true;
    if (state.busy || this.paused) return;
    state.busy = true;
    try {
      while (state.wanted && !this.paused) {
        state.wanted = false;
        const seats = this.#takeSeats(pool);
        if (seats.length === 0) {
          state.backlog = true;
          break;
        }
        await this.#claim(pool, seats);
      }
    } catch (error) {
      state.backlog = true;
      this.#deps.onError(error);
    } finally {
      state.busy = false;
    }
  }

  async #claim(pool: Pool, seats: readonly Seat[]): Promise<void> {
    const state = this.#pools[pool];
    try {
      const tasks = await this.#deps.claim({ pool, seats, afterOrg: state.afterOrg });
      state.backlog = tasks.length === seats.length;
      if (state.backlog) state.wanted = true;
      const last = tasks.at(-1);
      if (last !== undefined) state.afterOrg = last.orgId;
      for (const task of tasks) {
        const attachment = this.attachments.get(task.seat.attachment);
        if (attachment === undefined || attachment.closed) this.#deps.orphaned(task);
        else this.#deps.assign(attachment, task);
      }
    } finally {
      for (const seat of seats) this.attachments.get(seat.attachment)?.promise(pool, -1);
    }
  }

  /** Free seats, spread over the workers so that one does not get everything. */
  #takeSeats(pool: Pool): Seat[] {
    const open = [...this.attachments.values()].filter((attachment) => attachment.free(pool) > 0);
    const seats: Seat[] = [];
    this.#turn++;
    for (let i = 0; seats.length < BATCH && open.length > 0; i++) {
      const index = (this.#turn + i) % open.length;
      const attachment = open[index] as Attachment;
      attachment.promise(pool, 1);
      seats.push({ workerId: attachment.worker.workerId, bootId: attachment.worker.bootId, attachment: attachment.id });
      if (attachment.free(pool) <= 0) open.splice(index, 1);
    }
    return seats;
  }
}
