import type { CatalogueInput, ReasonInput, ResolvedModel, ToolInput, ToolOutcome, Uuid } from '@everruns/contract';
import type { Task } from '@everruns/contract/generated/worker';
import { isCatalogue } from '@everruns/engine';
import { isTransient, outcomeUnknown } from '@everruns/storage';
import type { ClaimedTask } from '@everruns/storage';
import type { Attachment } from './attachment.ts';
import type { CallAdmission } from './breakers.ts';
import { completeTask } from './completion.ts';
import { repeat } from './context.ts';
import type { EngineContext } from './context.ts';
import type { EagerTask } from './eager.ts';
import { failLease, requeue } from './lease-ends.ts';
import { recoverAll } from './recovery.ts';
import { answeredBy, askedControls, reasonInput, SessionGoneError, toolInput } from './step-input.ts';
import { leaseOf, sessionOf, taskRecord } from './task-record.ts';
import type { TaskRecord } from './task-record.ts';

/** More than a stream carries in one message: it would break, and with it everything else that its worker does. */
const MAX_INPUT_BYTES = 60 * 1024 * 1024;
/** After which a task that this instance cannot decide about may be claimed again, by another one if need be. */
const OTHERS_MS = 1_000;

/** Brings leased tasks to their workers, and gives back what cannot be delivered. */
export class Delivery {
  readonly #ctx: EngineContext;

  constructor(ctx: EngineContext) {
    this.#ctx = ctx;
  }

  /** A claim found a seat here. */
  assign(attachment: Attachment, task: ClaimedTask): void {
    const ctx = this.#ctx;
    ctx.feed.committed(task.sessionId, [task.started]);
    const record = taskRecord(task);
    if (record.pool === 'tool' && sessionOf(record) === record.sessionId) record.startedSequences.set('tool', task.started.sequence);
    if (!ctx.decides(task.version)) void this.#leaveToOthers(attachment, record);
    else if (attachment.closed) void this.#giveBack(attachment, record);
    else this.#take(attachment, record);
  }

  /** A completion was answered with the workflow's next task. */
  assignEager(attachment: Attachment, before: TaskRecord, next: EagerTask): void {
    const { draft, token, state, revision } = next;
    const { taskId: _taskId, ...workflow } = before;
    const record = taskRecord({
      ...workflow,
      taskId: draft.id,
      token,
      pool: draft.pool,
      attempt: 1,
      losses: 0,
      failures: 0,
      step: draft.step,
      callId: null,
      effect: null,
      payload: draft.payload,
      checkpoint: null,
      state,
      revision,
    });
    if (!attachment.closed) return this.#take(attachment, record);
    // Its worker is gone or attached anew, and knows nothing of this lease. Under which attachment it stands depends on who was faster.
    void this.#giveBack(attachment, record).finally(() => this.#ctx.reconcile());
  }

  /** The worker has not begun it. */
  async returned(attachment: Attachment, token: Uuid): Promise<void> {
    const record = attachment.remove(token);
    if (record !== null) await this.#giveBack(attachment, record);
  }

  #take(attachment: Attachment, record: TaskRecord): void {
    attachment.add(record);
    void this.#start(attachment, record);
  }

  async #start(attachment: Attachment, record: TaskRecord): Promise<void> {
    const ctx = this.#ctx;
    try {
      if (record.pool === 'tool' && ctx.admitToolCall !== undefined && (await this.#refuse(attachment, record))) return;
      const input = record.pool === 'tool' ? await this.#toolInput(record) : await this.#reasonInput(attachment, record);
      if (input === null) return; // parked
      if (!attachment.tasks.has(record.token)) return; // cancelled while its input was read
      const task = wireTask(record, input);
      const bytes = task.input.length + task.checkpoint.length;
      if (bytes > MAX_INPUT_BYTES) throw new InputTooLarge(`The step's input has ${bytes} bytes.`);
      attachment.send({ $case: 'assign', value: { task } });
      ctx.tallies.started();
    } catch (error) {
      await this.#undelivered(attachment, record, error);
    }
  }

  /** A call that its organization may not make now ends before it has begun, with words for the model. Attempts of one call count once. */
  async #refuse(attachment: Attachment, record: TaskRecord): Promise<boolean> {
    const ctx = this.#ctx;
    if (isCatalogue(record.state) || record.attempt > 1 || record.losses > 0) return false;
    const refusal = (await ctx.admitToolCall?.(record.orgId)) ?? null;
    if (refusal === null) return false;
    const outcome: ToolOutcome = { kind: 'tool', status: 'error', error: refusal, duration_ms: 0, events: [] };
    await completeTask(ctx, { record, attachment }, outcome, { seatFor: () => false });
    attachment.remove(record.token);
    ctx.dispatcher.seatFreed(record.pool);
    return true;
  }

  async #toolInput(record: TaskRecord): Promise<ToolInput | CatalogueInput> {
    if (!isCatalogue(record.state)) return toolInput(record);
    const { orgId, workflowId, payload } = record;
    return { kind: 'catalogue', provider: await this.#ctx.openProvider(payload.input['sealed'], { orgId, workflowId }) };
  }

  /** The input as the circuits let it through: with its model, or with the one that stands in for it. Null parks the task. */
  async #reasonInput(attachment: Attachment, record: TaskRecord): Promise<ReasonInput | null> {
    const ctx = this.#ctx;
    const { model: resolved, controls, dropped_controls, ...input } = await repeat(ctx, () => reasonInput(record, ctx));
    const { fallback, ...model } = resolved;
    record.hasFallback = fallback !== undefined;
    const own = await this.#admit(record, model);
    if (own.admitted) return { ...input, model, controls, ...(dropped_controls && { dropped_controls }), ...probe(record) };
    const other = fallback === undefined ? own : await this.#admit(record, fallback);
    if (other.admitted) return { ...input, ...answeredBy(fallback as ResolvedModel, askedControls(input.messages)), ...probe(record) };
    await this.#park(attachment, record, { key: breakerKey(model), retryInMs: own.retryInMs });
    return null;
  }

  async #admit(record: TaskRecord, model: ResolvedModel): Promise<CallAdmission> {
    if (model.provider_id === undefined) return { admitted: true, watched: false };
    const key = breakerKey(model);
    const admission = await this.#ctx.breakers.admit(key, record.token);
    if (admission.admitted) record.breaker = admission.watched ? key : null;
    return admission;
  }

  /** An open circuit parks the task instead of failing it. */
  async #park(attachment: Attachment, record: TaskRecord, { key, retryInMs }: { key: string; retryInMs: number }): Promise<void> {
    const ctx = this.#ctx;
    attachment.remove(record.token);
    const { losses, failures } = record;
    const lease = leaseOf(record, attachment);
    await requeue(ctx, { lease, losses, failures, delayMs: Math.max(1, retryInMs), breaker: key });
    ctx.dispatcher.seatFreed(record.pool);
  }

  /** Nothing has run. What lies with the database or the session is nobody's failure; anything else is the task's own, and counts. */
  async #undelivered(attachment: Attachment, record: TaskRecord, error: unknown): Promise<void> {
    const ctx = this.#ctx;
    attachment.remove(record.token);
    ctx.dispatcher.seatFreed(record.pool);
    if (error instanceof SessionGoneError || isTransient(error) || outcomeUnknown(error)) return this.#giveBack(attachment, record);
    ctx.log.error({ err: error, task: record.taskId }, 'task not delivered');
    const message = error instanceof Error ? error.message : String(error);
    const failure = error instanceof InputTooLarge ? { code: 'invalid_input', retryable: false } : { code: 'internal', retryable: true };
    await failLease(ctx, leaseOf(record, attachment), { ...failure, message }).catch((failure: unknown) => {
      ctx.log.error({ err: failure, task: record.taskId }, 'undelivered task not recorded');
      ctx.reconcile();
    });
  }

  #giveBack(attachment: Attachment, record: TaskRecord): Promise<void> {
    return recoverAll(this.#ctx, [leaseOf(record, attachment)], 'unstarted');
  }

  /** Its workflow has a version that only newer instances know (core.md R10). */
  async #leaveToOthers(attachment: Attachment, record: TaskRecord): Promise<void> {
    const { losses, failures } = record;
    const delayMs = OTHERS_MS * (1 + this.#ctx.random());
    await requeue(this.#ctx, { lease: leaseOf(record, attachment), losses, failures, delayMs }).catch((error: unknown) => {
      this.#ctx.log.error({ err: error, task: record.taskId }, 'task not given back');
      this.#ctx.reconcile();
    });
  }
}

function breakerKey(model: ResolvedModel): string {
  return `llm:${model.provider_id}`;
}

/** The one call that finds out whether its provider is back. */
function probe(record: TaskRecord): { probe?: true } {
  return record.breaker === null ? {} : { probe: true };
}

/** It would be as large the next time. */
class InputTooLarge extends Error {
  override readonly name = 'InputTooLarge';
}

function wireTask(record: TaskRecord, input: unknown): Task {
  const { taskId, token, pool, sessionId, workflowId, attempt, payload, checkpoint } = record;
  return {
    taskId,
    token,
    pool,
    sessionId,
    workflowId,
    attempt,
    input: Buffer.from(JSON.stringify(input)),
    startToCloseMs: payload.options.startToCloseMs,
    heartbeatMs: payload.options.heartbeatMs ?? 0,
    checkpoint: checkpoint === null || checkpoint === undefined ? Buffer.alloc(0) : Buffer.from(JSON.stringify(checkpoint)),
  };
}
