import type { Pool, Uuid } from '@everruns/contract';
import type { TurnState } from '@everruns/engine';
import type { Task } from '../base/task.ts';
import type { LeaseRow, WorkerSeat } from '../store/tables.ts';
import type { Link, ServerSays } from './link.ts';

export const CAPACITY: Record<Pool, number> = { reason: 2, tool: 4 };

/** What an instance remembers of a lease of one of its workers. */
export interface TaskRecord {
  lease: LeaseRow;
  state: TurnState;
  revision: number;
  /** Messages of one lease are handled one after the other. */
  queue: (() => Task<void>)[];
  /** Messages that are in the queue or being handled. */
  queued: number;
  /** Key of the circuit breaker that admitted this call, when it is not simply closed. */
  breaker: string | null;
}

export function taskRecord(known: Pick<TaskRecord, 'lease' | 'state' | 'revision'>): TaskRecord {
  return { ...known, queue: [], queued: 0, breaker: null };
}

/** One stream of one worker: its seats and its leases. */
export class Attachment {
  readonly seat: WorkerSeat;
  /** Counts the attachments of the worker's boot. */
  readonly attachNo: number;
  /** In whose name its leases stand; an instance that was declared lost goes on under another. */
  readonly instanceId: Uuid;
  readonly tasks = new Map<Uuid, TaskRecord>();
  /** Seats promised to a claim or a message that is on its way. */
  readonly #promised: Record<Pool, number> = { reason: 0, tool: 0 };
  readonly #link: Link;
  #closed = false;

  constructor(worker: { seat: WorkerSeat; attachNo: number }, instanceId: Uuid, link: Link) {
    this.seat = worker.seat;
    this.attachNo = worker.attachNo;
    this.instanceId = instanceId;
    this.#link = link;
  }

  get id(): Uuid {
    return this.seat.attachment;
  }

  get closed(): boolean {
    return this.#closed;
  }

  close(): void {
    this.#closed = true;
    this.#link.close('server');
  }

  send(message: ServerSays): void {
    if (!this.#closed) this.#link.toWorker(message);
  }

  free(pool: Pool): number {
    if (this.#closed) return 0;
    const used = [...this.tasks.values()].filter((record) => record.lease.pool === pool).length;
    return CAPACITY[pool] - used - this.#promised[pool];
  }

  promise(pool: Pool, n: number): void {
    this.#promised[pool] += n;
  }

  add(record: TaskRecord): void {
    if (!this.tasks.has(record.lease.token)) this.tasks.set(record.lease.token, record);
  }

  remove(token: Uuid): TaskRecord | null {
    const record = this.tasks.get(token) ?? null;
    this.tasks.delete(token);
    return record;
  }
}

/** The lease as the database has it, while it stands under this attachment. */
export function leaseOf({ lease }: TaskRecord, { instanceId, seat }: Attachment): LeaseRow {
  return { ...lease, instanceId, ...seat };
}
