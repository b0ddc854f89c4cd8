import type { Uuid } from '@everruns/contract';
import type { Task } from '../base/task.ts';
import { instanceAlive } from '../statements/instances.ts';
import { adopt as adoptLeases, workflowState } from '../statements/leases.ts';
import { isRegistered, strayLeases, workerAttached } from '../statements/workers.ts';
import type { LeaseRow } from '../store/tables.ts';
import { taskRecord } from './attachment.ts';
import type { Attachment, TaskRecord } from './attachment.ts';
import type { Instance } from './instance.ts';
import { recoverAll } from './recovery.ts';
import { repeat } from './repeat.ts';
import { count } from './world.ts';

/** This instance cannot take a worker now; another one, or this one later, can. The worker keeps its leases and tries again. */
export class WorkerRefused extends Error {
  override readonly name = 'WorkerRefused';
}

/** What a stream is told that was late. */
export const SUPERSEDED = 'This worker has attached anew since.';

export interface Arrival {
  attachNo: number;
  held: readonly Uuid[];
  /** Records of the worker's last stream here, by token. */
  known: ReadonlyMap<Uuid, TaskRecord>;
  /** Aborted when the worker has given up waiting. */
  signal: { aborted: boolean };
}

/** Registers a worker and takes over what it still holds. What it does not know of was never delivered, and another boot's leases are lost. */
export function* adopt(ctx: Instance, attachment: Attachment, arrival: Arrival): Task<LeaseRow[]> {
  const { world } = ctx;
  const { seat, instanceId } = attachment;
  const { held: tokens, known, signal } = arrival;
  const step = <T>(work: () => Task<T>): Task<T> =>
    repeat(ctx, () => {
      if (signal.aborted && !world.faults.has('late_hello_believed')) throw new WorkerRefused('The worker has left.');
      return work();
    });
  if (tokens.length > 0) count(world, `re-attached with ${Math.min(tokens.length, 3)} leases`);
  if (!(yield* step(() => ctx.db(workerAttached(seat, arrival.attachNo, world.faults))))) throw new WorkerRefused(SUPERSEDED);
  const held = yield* step(() => ctx.db(adoptLeases({ instanceId, seat, tokens }, world.faults)));
  if (held.length < tokens.length) {
    if (!(yield* step(() => ctx.db(isRegistered(seat))))) throw new WorkerRefused(SUPERSEDED);
    if (!(yield* step(() => ctx.db(instanceAlive(instanceId))))) throw new WorkerRefused('This instance was declared lost.');
  }
  for (const lease of held) {
    const workflow = yield* step(() => ctx.db(workflowState(lease.workflowId)));
    if (workflow !== null) attachment.add(known.get(lease.token) ?? taskRecord({ lease, ...workflow }));
  }
  const strays = yield* step(() => ctx.db(strayLeases(seat, world.faults)));
  yield* recoverAll(
    ctx,
    strays.filter((lease) => lease.bootId === seat.bootId),
    'unstarted',
  );
  yield* recoverAll(
    ctx,
    strays.filter((lease) => lease.bootId !== seat.bootId),
    'worker_lost',
  );
  return held;
}
