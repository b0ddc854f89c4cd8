import type { Uuid } from '@everruns/contract';
import type { Faults } from '../faults.ts';
import { reading } from '../store/statement.ts';
import type { Sql } from '../store/statement.ts';
import type { LeaseRow, WorkerRow, WorkerSeat } from '../store/tables.ts';

/** The registry of workers: which stream of each is the present one. */

/** ATTACH: false when this life of the worker has attached anew since, here or elsewhere. */
export function workerAttached(seat: WorkerSeat, attachNo: number, faults: Faults): Sql<boolean> {
  const { workerId: id, bootId, attachment } = seat;
  const row: WorkerRow = { id, bootId, attachment, attachNo };
  return {
    name: 'worker_attached',
    *run(s) {
      const isLast = (before: WorkerRow): boolean => before.bootId !== bootId || before.attachNo <= attachNo;
      const after = yield* s.insertOr(s.tables.workers, id, row, (before) => {
        return isLast(before) || faults.has('late_hello_believed') ? row : before;
      });
      return after === row;
    },
  };
}

/** REGISTERED: is this stream the worker's last one? Otherwise whatever it found to be gone may have gone to the later one. */
export function isRegistered(at: { workerId: string; attachment: Uuid }): Sql<boolean> {
  return reading('worker_registered', (s) => s.get(s.tables.workers, at.workerId)?.attachment === at.attachment);
}

/** STRAY: leases that the worker's present stream does not hold. None while another stream is the registered one. */
export function strayLeases(seat: WorkerSeat, faults: Faults): Sql<LeaseRow[]> {
  return reading('stray_leases_of_worker', (s) => {
    const isPresent = s.get(s.tables.workers, seat.workerId)?.attachment === seat.attachment;
    if (!isPresent && !faults.has('late_hello_believed')) return [];
    return s.all(s.tables.leases, (lease) => lease.workerId === seat.workerId && lease.attachment !== seat.attachment);
  });
}
