import { setTimeout as sleep } from 'node:timers/promises';
import type { Uuid } from '@everruns/contract';
import { leasesOfInstance } from '@everruns/storage';
import type { HeldLease } from '@everruns/storage';
import { cancelLease } from './context.ts';
import type { EngineContext } from './context.ts';
import type { Gateway } from './gateway.ts';
import { recoverAll } from './recovery.ts';

/** Between two looks, so that what is merely on its way has arrived. */
const SETTLE_MS = 250;

interface Findings {
  /** Leases in our name that nobody here holds. */
  orphans: HeldLease[];
  /** Tokens of tasks that run here although their leases are gone. */
  ghosts: Uuid[];
}

/**
 * Compares the leases that stand in this instance's name with the tasks that its workers have. A lease whose grant had no reply was delivered to
 * nobody and goes back as unstarted; a task whose lease is gone, because the word of it was lost, is cancelled. Runs when a reply was lost, and now and
 * then: a lease that nobody works on would stand until its deadline.
 */
export class Reconciler {
  readonly #ctx: EngineContext;
  readonly #gateway: Pick<Gateway, 'isMoving'>;
  #running = false;
  #again = false;

  constructor(ctx: EngineContext, gateway: Pick<Gateway, 'isMoving'>) {
    this.#ctx = ctx;
    this.#gateway = gateway;
  }

  request(): void {
    this.#again = true;
    if (this.#running) return;
    this.#running = true;
    void this.#run().finally(() => {
      this.#running = false;
    });
  }

  async #run(): Promise<void> {
    while (this.#again && !this.#ctx.signal.aborted) {
      this.#again = false;
      try {
        await this.#look();
      } catch (error) {
        this.#ctx.log.warn({ err: error }, 'leases not reconciled');
        this.#again = true;
        await sleep(SETTLE_MS);
      }
    }
  }

  async #look(): Promise<void> {
    const suspects = await this.#compare();
    if (suspects.orphans.length === 0 && suspects.ghosts.length === 0) return;
    await sleep(SETTLE_MS);
    while (this.#ctx.dispatcher.claiming()) await sleep(SETTLE_MS);
    const confirmed = await this.#compare();
    const suspected = new Set(suspects.orphans.map((lease) => lease.token));
    await this.#giveBack(confirmed.orphans.filter((lease) => suspected.has(lease.token)));
    for (const token of confirmed.ghosts) if (suspects.ghosts.includes(token)) cancelLease(this.#ctx, { token }, 'lost');
  }

  /** What stands under an attached worker was never delivered; of one that is gone nobody knows. */
  async #giveBack(orphans: readonly HeldLease[]): Promise<void> {
    if (orphans.length === 0) return;
    this.#ctx.log.warn({ leases: orphans.length }, 'leases that nobody holds are given back');
    const { attachments } = this.#ctx.dispatcher;
    const isAttached = (lease: HeldLease): boolean => attachments.has(lease.attachment);
    await recoverAll(this.#ctx, orphans.filter(isAttached), 'unstarted');
    await recoverAll(
      this.#ctx,
      orphans.filter((lease) => !isAttached(lease)),
      'worker_lost',
    );
  }

  async #compare(): Promise<Findings> {
    const { dispatcher } = this.#ctx;
    const running = [...dispatcher.attachments.values()].flatMap((attachment) => [...attachment.tasks.values()]);
    const leases = await leasesOfInstance(this.#ctx.db, this.#ctx.instanceId());
    const held = new Set([...dispatcher.attachments.values()].flatMap((attachment) => [...attachment.tasks.keys()]));
    // A completion that is being written may grant a lease and end one.
    const moving = new Set(running.filter((record) => record.queued > 0).map((record) => record.workflowId));
    const standing = new Set(leases.map((lease) => lease.token));
    return {
      orphans: leases.filter(
        (lease) => !held.has(lease.token) && !moving.has(lease.workflowId) && !this.#gateway.isMoving(lease.attachment),
      ),
      ghosts: running
        .filter((record) => record.queued === 0 && held.has(record.token) && !standing.has(record.token))
        .map((record) => record.token),
    };
  }
}
