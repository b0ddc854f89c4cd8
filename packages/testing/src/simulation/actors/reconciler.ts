import type { Uuid } from '@everruns/contract';
import { sleep } from '../base/task.ts';
import type { Task } from '../base/task.ts';
import { leasesWhere } from '../statements/leases.ts';
import type { LeaseRow } from '../store/tables.ts';
import { SqlError } from '../store/tx.ts';
import type { Instance } from './instance.ts';
import { cancelLease } from './context.ts';
import { recoverAll } from './recovery.ts';
import { count } from './world.ts';

/** Between two looks, so that what is merely on its way has arrived. */
const SETTLE_MS = 250;

interface Findings {
  /** Leases in our name that nobody here holds. */
  orphans: LeaseRow[];
  /** Tokens of tasks that run here although their leases are gone. */
  ghosts: Uuid[];
}

/** Compares the leases in this instance's name with the tasks that its workers have: when a reply was lost, and now and then. */
export class Reconciler {
  readonly #ctx: Instance;
  #running = false;
  #again = false;

  constructor(ctx: Instance) {
    this.#ctx = ctx;
  }

  request(): void {
    if (this.#ctx.world.faults.has('strays_forgotten')) return;
    this.#again = true;
    if (this.#running) return;
    this.#running = true;
    this.#ctx.life.spawn(this.#run());
  }

  *#run(): Task<void> {
    while (this.#again) {
      this.#again = false;
      try {
        yield* this.#look();
      } catch (error) {
        if (!(error instanceof SqlError)) throw error;
        this.#again = true;
        yield* sleep(this.#ctx.world.timeline, SETTLE_MS);
      }
    }
    this.#running = false;
  }

  *#look(): Task<void> {
    const { timeline } = this.#ctx.world;
    const suspects = yield* this.#compare();
    if (suspects.orphans.length === 0 && suspects.ghosts.length === 0) return;
    yield* sleep(timeline, SETTLE_MS);
    while (this.#ctx.dispatcher.claiming()) yield* sleep(timeline, SETTLE_MS);
    const confirmed = yield* this.#compare();
    const suspected = new Set(suspects.orphans.map((lease) => lease.token));
    yield* this.#giveBack(confirmed.orphans.filter((lease) => suspected.has(lease.token)));
    for (const token of confirmed.ghosts) if (suspects.ghosts.includes(token)) cancelLease(this.#ctx, { token });
  }

  /** What stands under an attached worker was never delivered; of one that is gone nobody knows. */
  *#giveBack(orphans: readonly LeaseRow[]): Task<void> {
    if (orphans.length > 0) count(this.#ctx.world, 'stray leases');
    const { attachments } = this.#ctx.dispatcher;
    const isAttached = (lease: LeaseRow): boolean => attachments.has(lease.attachment);
    yield* recoverAll(this.#ctx, orphans.filter(isAttached), 'unstarted');
    yield* recoverAll(
      this.#ctx,
      orphans.filter((lease) => !isAttached(lease)),
      'worker_lost',
    );
  }

  *#compare(): Task<Findings> {
    const { dispatcher, gateway } = this.#ctx;
    const running = [...dispatcher.attachments.values()].flatMap((attachment) => [...attachment.tasks.values()]);
    const mine = (lease: LeaseRow): boolean => lease.instanceId === this.#ctx.id;
    const leases = yield* this.#ctx.db(leasesWhere('leases_of_instance', mine));
    const held = new Set([...dispatcher.attachments.values()].flatMap((attachment) => [...attachment.tasks.keys()]));
    // A completion that is being written may grant a lease and end one.
    const moving = new Set(running.filter((record) => record.queued > 0).map((record) => record.lease.workflowId));
    const standing = new Set(leases.map((lease) => lease.token));
    return {
      orphans: leases.filter((lease) => !held.has(lease.token) && !moving.has(lease.workflowId) && !gateway.isMoving(lease.attachment)),
      ghosts: running
        .filter((record) => record.queued === 0 && held.has(record.lease.token) && !standing.has(record.lease.token))
        .map((record) => record.lease.token),
    };
  }
}
