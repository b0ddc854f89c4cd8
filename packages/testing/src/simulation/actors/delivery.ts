import type { PlannedCall, Uuid } from '@everruns/contract';
import type { Task } from '../base/task.ts';
import type { Claimed } from '../statements/claim.ts';
import { promptSeen } from '../statements/step.ts';
import type { LeaseRow } from '../store/tables.ts';
import { SqlError } from '../store/tx.ts';
import { leaseOf, taskRecord } from './attachment.ts';
import type { Attachment, TaskRecord } from './attachment.ts';
import type { Instance } from './instance.ts';
import { requeue } from './lease-ends.ts';
import { recoverAll } from './recovery.ts';
import { repeat } from './repeat.ts';
import { count } from './world.ts';

/** There is one provider. */
export const BREAKER = 'llm:sim';

/** Brings leased tasks to their workers, and gives back what cannot be delivered. */
export class Delivery {
  readonly #ctx: Instance;

  constructor(ctx: Instance) {
    this.#ctx = ctx;
  }

  /** A claim, or a message, found a seat here. */
  assign(attachment: Attachment, task: Claimed): void {
    const record = taskRecord(task);
    if (attachment.closed) this.#ctx.life.spawn(this.#giveBack(attachment, record));
    else this.#take(attachment, record);
  }

  /** A completion was answered with the workflow's next task. */
  assignEager(attachment: Attachment, next: Claimed): void {
    const record = taskRecord(next);
    if (!attachment.closed) return this.#take(attachment, record);
    // Its worker is gone or attached anew, and knows nothing of this lease. Under which attachment it stands depends on who was faster.
    this.#ctx.life.spawn(this.#giveBackEager(attachment, record));
  }

  /** The worker has not begun it. */
  *returned(attachment: Attachment, token: Uuid): Task<void> {
    const record = attachment.remove(token);
    if (record !== null) yield* this.#giveBack(attachment, record);
  }

  #take(attachment: Attachment, record: TaskRecord): void {
    attachment.add(record);
    this.#ctx.life.spawn(this.#start(attachment, record));
  }

  /** The prompt is read after the claim, so it holds everything that the claim's turn had been told. */
  *#start(attachment: Attachment, record: TaskRecord): Task<void> {
    const { lease, state } = record;
    let seen = 0;
    try {
      if (lease.pool === 'reason' && (yield* this.#parks(attachment, record))) return;
      if (lease.pool === 'reason') seen = yield* repeat(this.#ctx, () => this.#ctx.db(promptSeen(lease.sessionId)));
    } catch (error) {
      if (!(error instanceof SqlError)) throw error;
      attachment.remove(lease.token);
      this.#ctx.dispatcher.seatFreed(lease.pool);
      return yield* this.#giveBack(attachment, record);
    }
    if (!attachment.tasks.has(lease.token)) return; // cancelled while its input was read
    attachment.send({ say: 'assign', assignment: { lease, seen, iteration: state.iteration, call: callOf(lease) } });
  }

  /** An open circuit parks the task instead of failing it. */
  *#parks(attachment: Attachment, record: TaskRecord): Task<boolean> {
    const ctx = this.#ctx;
    const { lease } = record;
    const admission = yield* ctx.breakers.admit(BREAKER, lease.token);
    if (admission.admitted) {
      record.breaker = admission.watched ? BREAKER : null;
      if (admission.watched) count(ctx.world, 'task let through by a breaker');
      return false;
    }
    count(ctx.world, 'task parked');
    attachment.remove(lease.token);
    const { losses, failures } = lease;
    const delayMs = Math.max(1, admission.retryInMs);
    yield* requeue(ctx, { lease: leaseOf(record, attachment), losses, failures, delayMs, breaker: BREAKER });
    ctx.dispatcher.seatFreed(lease.pool);
    return true;
  }

  #giveBack(attachment: Attachment, record: TaskRecord): Task<void> {
    return recoverAll(this.#ctx, [leaseOf(record, attachment)], 'unstarted');
  }

  *#giveBackEager(attachment: Attachment, record: TaskRecord): Task<void> {
    yield* this.#giveBack(attachment, record);
    this.#ctx.reconciler.request();
  }
}

function callOf(lease: LeaseRow): PlannedCall | null {
  return (lease.payload.input['call'] as PlannedCall | undefined) ?? null;
}
