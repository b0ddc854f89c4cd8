import type { Faults } from '../faults.ts';
import { reading } from '../store/statement.ts';
import type { Sql } from '../store/statement.ts';
import type { LeaseRow, WorkerSeat } from '../store/tables.ts';

/** The registry of workers: which stream of each is the present one. */

/** ATTACH: the last registration stands. */
export function workerAttached(seat: WorkerSeat): Sql<void> {
  return {
    name: 'worker_attached',
    *run(s) {
      const { workerId: id, bootId, attachment } = seat;
      yield* s.insertOr(s.tables.workers, id, { id, bootId, attachment }, (row) => ({ ...row, bootId, attachment }));
    },
  };
}

/** STRAY: leases that the worker's present stream does not hold. None while another stream is the registered one. */
export function strayLeases(seat: WorkerSeat, faults: Faults): Sql<LeaseRow[]> {
  return reading('stray_leases_of_worker', (s) => {
    const isPresent = s.get(s.tables.workers, seat.workerId)?.attachment === seat.attachment;
    if (!isPresent && !faults.has('late_hello_believed')) return [];
    return s.all(s.tables.leases, (lease) => lease.workerId === seat.workerId && lease.attachment !== seat.attachment);
  });
}
