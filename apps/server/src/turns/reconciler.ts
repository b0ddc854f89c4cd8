import { setTimeout as sleep } from 'node:timers/promises';
import type { Uuid } from '@everruns/contract';
import { leasesOfInstance } from '@everruns/storage';
import type { HeldLease } from '@everruns/storage';
import type { EngineContext } from './context.ts';
import { recoverAll } from './recovery.ts';

/** Between two looks, so that what is merely on its way has arrived. */
const SETTLE_MS = 250;

/**
 * Finds leases that stand in this instance's name although it never heard of them: the statement that granted them committed, its reply was
 * lost. They were delivered to nobody, so they go back as unstarted. Runs when a reply was lost, not on a schedule.
 */
export class Reconciler {
  readonly #ctx: EngineContext;
  #running = false;
  #again = false;

  constructor(ctx: EngineContext) {
    this.#ctx = ctx;
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
    const suspects = new Set((await this.#unknown()).map((lease) => lease.token));
    if (suspects.size === 0) return;
    await sleep(SETTLE_MS);
    while (this.#ctx.dispatcher.claiming()) await sleep(SETTLE_MS);
    const lost = (await this.#unknown()).filter((lease) => suspects.has(lease.token));
    if (lost.length > 0) this.#ctx.log.warn({ leases: lost.length }, 'leases that nobody was told of are given back');
    await recoverAll(this.#ctx, lost, 'unstarted');
  }

  /** Leases of an attached worker without a record. Those of a stream that broke are released by its own path. */
  async #unknown(): Promise<HeldLease[]> {
    const { dispatcher } = this.#ctx;
    const known = new Set<Uuid>();
    for (const attachment of dispatcher.attachments.values()) for (const token of attachment.tasks.keys()) known.add(token);
    const leases = await leasesOfInstance(this.#ctx.db, this.#ctx.instanceId());
    return leases.filter((lease) => dispatcher.attachments.has(lease.attachment) && !known.has(lease.token));
  }
}
