import { retryDelayMs } from './retry.ts';
import type { CallEffect } from './plan.ts';

/** What becomes of a task whose lease was lost. Pure; the same table serves the reaper, the gateway and the simulation. */

/** Losses of the worker process without any progress, after which the turn is sealed. */
export const SEAL_AFTER_LOSSES = 3;

export type LossCause =
  /** The worker process is gone (its stream broke and it did not come back, it fell silent, another boot took its place). */
  | 'worker_lost'
  /** The instance that granted the lease is gone; its worker may be fine. */
  | 'instance_lost'
  /** The holder gave it back unstarted: drained, refused, or never delivered. */
  | 'unstarted';

export interface LostLease {
  pool: string;
  effect: CallEffect | null;
  losses: number;
  /** Did its events, checkpoints or text move since it was granted? */
  progress: boolean;
}

export type LossVerdict =
  | { action: 'requeue'; losses: number; delayMs: number }
  /** An unsafe call was running: nobody knows whether it took effect, so it is settled as unknown and never run again. */
  | { action: 'settle_unknown' }
  | { action: 'seal' };

export function decideLoss(lease: LostLease, cause: LossCause, random: number): LossVerdict {
  if (cause === 'unstarted') return { action: 'requeue', losses: lease.losses, delayMs: 0 };
  if (lease.pool === 'tool' && lease.effect === 'unsafe') return { action: 'settle_unknown' };
  if (cause === 'instance_lost') return { action: 'requeue', losses: lease.losses, delayMs: 0 };
  const losses = lease.progress ? 1 : lease.losses + 1;
  if (losses >= SEAL_AFTER_LOSSES) return { action: 'seal' };
  return { action: 'requeue', losses, delayMs: losses <= 1 ? 0 : (retryDelayMs(losses - 1, random) ?? 0) };
}
