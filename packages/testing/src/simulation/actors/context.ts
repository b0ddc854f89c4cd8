import type { Pool, Uuid } from '@everruns/contract';
import type { LeaseRow } from '../store/tables.ts';
import type { Instance } from './instance.ts';

/** Tells the claims and the holders of dropped leases what a commit did. */
export function announce(ctx: Instance, dropped: readonly LeaseRow[], pools: ReadonlySet<Pool>): void {
  for (const lease of dropped) cancelLease(ctx, lease);
  const elsewhere = dropped.filter((lease) => lease.instanceId !== ctx.id);
  if (elsewhere.length > 0) announceCancelled(ctx, elsewhere);
  wake(ctx, pools);
}

/** New work: claimed here, and told to the others. */
export function wake(ctx: Instance, pools: ReadonlySet<Pool>): void {
  const { world } = ctx;
  if (pools.size === 0 || world.faults.has('wakeup_forgotten')) return;
  ctx.dispatcher.poke(pools);
  hint(ctx, (other) => other.dispatcher.poke(pools));
}

/** The worker is told that a lease of its is gone; true when it is attached here. */
export function cancelLease(ctx: Instance, lease: { token: Uuid }): boolean {
  for (const attachment of ctx.dispatcher.attachments.values()) {
    const record = attachment.remove(lease.token);
    if (record === null) continue;
    attachment.send({ say: 'cancel', token: lease.token });
    ctx.dispatcher.seatFreed(record.lease.pool);
    return true;
  }
  return false;
}

/** The lease is gone: its holder hears of it, wherever it is attached. */
export function revoke(ctx: Instance, lease: LeaseRow): void {
  if (cancelLease(ctx, lease) || lease.instanceId === ctx.id) return;
  announceCancelled(ctx, [lease]);
}

function announceCancelled(ctx: Instance, leases: readonly LeaseRow[]): void {
  hint(ctx, (other) => {
    for (const lease of leases) cancelLease(other, lease);
  });
}

/** Tells every other instance; a hint may be lost on its way. */
function hint(ctx: Instance, tell: (other: Instance) => void): void {
  const { chaos, instances, timeline } = ctx.world;
  for (const other of instances) {
    if (other === ctx || chaos.losesHint()) continue;
    const { life } = other;
    timeline.after(chaos.delayMs(), () => life.act(() => tell(other)));
  }
}
