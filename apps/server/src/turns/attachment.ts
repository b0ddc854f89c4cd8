import { POOLS } from '@everruns/contract';
import type { Pool, Uuid } from '@everruns/contract';
import type { ServerMessage } from '@everruns/contract/generated/worker';
import type { TaskRecord } from './task-record.ts';

export interface WorkerIdentity {
  workerId: string;
  bootId: Uuid;
  hostname: string;
  version: string;
  group: string | null;
  capacity: ReadonlyMap<Pool, number>;
}

/** One stream of one worker: its seats, its leases, and the way to it. */
export class Attachment {
  readonly id: Uuid;
  readonly worker: WorkerIdentity;
  readonly tasks = new Map<Uuid, TaskRecord>();
  /** Seats promised to a claim that is on its way. */
  readonly promised = new Map<Pool, number>();
  draining = false;
  closed = false;
  lastHeardMs: number;
  loopDelayMs = 0;
  readonly #send: (message: ServerMessage) => void;
  readonly #inUse = new Map<Pool, number>();

  constructor(id: Uuid, worker: WorkerIdentity, nowMs: number, send: (message: ServerMessage) => void) {
    this.id = id;
    this.worker = worker;
    this.lastHeardMs = nowMs;
    this.#send = send;
  }

  send(message: NonNullable<ServerMessage['kind']>): void {
    if (!this.closed) this.#send({ kind: message });
  }

  free(pool: Pool): number {
    if (this.draining || this.closed) return 0;
    return (this.worker.capacity.get(pool) ?? 0) - (this.#inUse.get(pool) ?? 0) - (this.promised.get(pool) ?? 0);
  }

  promise(pool: Pool, n: number): void {
    this.promised.set(pool, Math.max(0, (this.promised.get(pool) ?? 0) + n));
  }

  add(record: TaskRecord): void {
    this.tasks.set(record.token, record);
    this.#inUse.set(record.pool, (this.#inUse.get(record.pool) ?? 0) + 1);
  }

  remove(token: Uuid): TaskRecord | null {
    const record = this.tasks.get(token);
    if (record === undefined) return null;
    this.tasks.delete(token);
    this.#inUse.set(record.pool, (this.#inUse.get(record.pool) ?? 1) - 1);
    return record;
  }

  load(): number {
    return POOLS.reduce((sum, pool) => sum + (this.#inUse.get(pool) ?? 0), 0);
  }
}
