import { POOLS } from '@everruns/contract';
import type { Pool, Uuid } from '@everruns/contract';
import type { ServerMessage } from '@everruns/contract/generated/worker';
import type { TaskRecord } from './task-record.ts';

export interface WorkerIdentity {
  workerId: string;
  bootId: Uuid;
  /** Counts the attachments of this boot. */
  attachNo: number;
  hostname: string;
  version: string;
  group: string | null;
  capacity: ReadonlyMap<Pool, number>;
}

/** The way to a worker: what is said on its stream, and the stream's end, which may tell it why. */
export interface WorkerStream {
  send(message: ServerMessage): void;
  end(reason: Error | null): void;
}

/** One stream of one worker: its seats, its leases, and the way to it. */
export class Attachment {
  readonly id: Uuid;
  /** The instance in whose name its leases stand; one that was declared lost goes on under another. */
  readonly instanceId: Uuid;
  readonly worker: WorkerIdentity;
  readonly tasks = new Map<Uuid, TaskRecord>();
  /** Seats promised to a claim that is on its way. */
  readonly promised = new Map<Pool, number>();
  draining = false;
  /** When the worker was last heard, on the gateway's clock. */
  lastHeardMs: number;
  loopDelayMs = 0;
  readonly #stream: WorkerStream;
  readonly #inUse = new Map<Pool, number>();
  #closed = false;

  constructor(at: { id: Uuid; instanceId: Uuid; nowMs: number }, worker: WorkerIdentity, stream: WorkerStream) {
    this.id = at.id;
    this.instanceId = at.instanceId;
    this.worker = worker;
    this.lastHeardMs = at.nowMs;
    this.#stream = stream;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Nothing is said any more, and the stream ends: a worker that lives attaches anew at once. */
  close(reason: Error | null = null): void {
    this.#closed = true;
    this.#stream.end(reason);
  }

  send(message: NonNullable<ServerMessage['kind']>): void {
    if (!this.#closed) this.#stream.send({ kind: message });
  }

  free(pool: Pool): number {
    if (this.draining || this.#closed) return 0;
    return (this.worker.capacity.get(pool) ?? 0) - (this.#inUse.get(pool) ?? 0) - (this.promised.get(pool) ?? 0);
  }

  promise(pool: Pool, n: number): void {
    this.promised.set(pool, Math.max(0, (this.promised.get(pool) ?? 0) + n));
  }

  add(record: TaskRecord): void {
    if (this.tasks.has(record.token)) return;
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
