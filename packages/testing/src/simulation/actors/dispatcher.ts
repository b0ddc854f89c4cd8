import { POOLS } from '@everruns/contract';
import type { Pool, Uuid } from '@everruns/contract';
import type { Task } from '../base/task.ts';
import { claim } from '../statements/claim.ts';
import type { WorkerSeat } from '../store/tables.ts';
import { SqlError } from '../store/tx.ts';
import type { Attachment } from './gateway.ts';
import type { Instance } from './instance.ts';
import { count } from './world.ts';

interface PoolState {
  busy: boolean;
  wanted: boolean;
  backlog: boolean;
}

/** "There may be work" and "there are free seats" become claims, one at a time per pool. */
export class Dispatcher {
  paused = false;
  readonly #instance: Instance;
  readonly #pools: Record<Pool, PoolState>;

  constructor(instance: Instance) {
    this.#instance = instance;
    const idle = (): PoolState => ({ busy: false, wanted: false, backlog: false });
    this.#pools = { reason: idle(), tool: idle() };
  }

  poke(pools: ReadonlySet<Pool> = new Set(POOLS)): void {
    for (const pool of pools) this.#instance.life.spawn(this.#run(pool));
  }

  /** Is a claim on its way whose leases nobody here knows of yet? */
  claiming(): boolean {
    return POOLS.some((pool) => this.#pools[pool].busy);
  }

  seatFreed(pool: Pool): void {
    if (this.#pools[pool].backlog) this.poke(new Set([pool]));
  }

  *#run(pool: Pool): Task<void> {
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
        yield* this.#claim(pool, seats);
      }
    } catch (error) {
      if (!(error instanceof SqlError)) throw error;
      state.backlog = true;
      count(this.#instance.world, 'claim of unknown outcome');
      this.#instance.reconciler.request();
    } finally {
      state.busy = false;
    }
  }

  *#claim(pool: Pool, attachments: readonly Attachment[]): Task<void> {
    const { gateway, world, id: instanceId } = this.#instance;
    const state = this.#pools[pool];
    const seats = attachments.map(({ seat }): WorkerSeat => seat);
    const tokens = attachments.map((): Uuid => world.ids.named('b'));
    try {
      const tasks = yield* this.#instance.db(claim({ pool, seats, instanceId, tokens }, world.faults));
      state.backlog = tasks.length === seats.length;
      if (state.backlog) state.wanted = true;
      for (const task of tasks) {
        count(world, 'claimed');
        gateway.assign(attachments.find(({ seat }) => seat.attachment === task.lease.attachment) as Attachment, task);
      }
    } finally {
      for (const attachment of attachments) attachment.promised[pool]--;
    }
  }

  /** Free seats, spread over the workers. */
  #takeSeats(pool: Pool): Attachment[] {
    const { gateway, world } = this.#instance;
    const open = world.random.shuffled([...gateway.attachments.values()].filter((attachment) => attachment.free(pool) > 0));
    const seats: Attachment[] = [];
    while (open.length > 0) {
      for (const attachment of open.splice(0)) {
        attachment.promised[pool]++;
        seats.push(attachment);
        if (attachment.free(pool) > 0) open.push(attachment);
      }
    }
    return seats;
  }
}
