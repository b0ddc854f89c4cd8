import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { POOLS } from '@everruns/contract';
import type { InStepEvent, Pool, TaskOutcome, TextStream, Uuid, WorkerGateway } from '@everruns/contract';
import type { Append, Complete, Delta, Hello, ServerMessage, Task, WorkerMessage } from '@everruns/contract/generated/worker';
import { fromPublicId } from '@everruns/contract';
import { inStepContext } from '@everruns/engine';
import type { TurnState } from '@everruns/engine';
import {
  adoptLeases,
  appendInStep,
  checkpointLease,
  leasesOfAttachment,
  leasesOfWorker,
  requeueLease,
  startedTexts,
  workerAttached,
  workerDetached,
  workflowsById,
} from '@everruns/storage';
import type { ClaimedTask, HeldLease, WorkflowSnapshot } from '@everruns/storage';
import { Attachment } from './attachment.ts';
import { completeTask, failTask } from './completion.ts';
import { cancelLease, repeat } from './context.ts';
import type { EngineContext } from './context.ts';
import type { EagerTask } from './eager.ts';
import { MessageQueue } from './message-queue.ts';
import { recoverAll } from './recovery.ts';
import { reasonInput, SessionGoneError, toolInput } from './step-input.ts';
import { taskRecord } from './task-record.ts';
import type { TaskRecord } from './task-record.ts';

/**
 * The control plane's end of a worker's stream: who is attached, what it holds, and what it says. Everything durable happens in the
 * functions it calls; losing this object loses nothing.
 */
export class Gateway implements WorkerGateway {
  readonly #ctx: EngineContext;
  readonly #releases = new Set<Promise<void>>();

  constructor(ctx: EngineContext) {
    this.#ctx = ctx;
  }

  async *attach(incoming: AsyncIterable<WorkerMessage>, signal: AbortSignal): AsyncIterable<ServerMessage> {
    const outgoing = new MessageQueue<ServerMessage>();
    const reading = this.#read(incoming, outgoing, signal);
    reading.catch((error: unknown) => this.#ctx.log.warn({ err: error }, 'worker stream ended')).finally(() => outgoing.end());
    signal.addEventListener('abort', () => outgoing.end(), { once: true });
    yield* outgoing;
  }

  async #read(incoming: AsyncIterable<WorkerMessage>, outgoing: MessageQueue<ServerMessage>, signal: AbortSignal): Promise<void> {
    let attachment: Attachment | null = null;
    try {
      for await (const message of incoming) {
        if (signal.aborted) break;
        if (message.kind?.$case === 'hello' && attachment === null) attachment = await this.#hello(message.kind.value, outgoing);
        else if (attachment !== null && message.kind !== undefined) {
          attachment.lastHeardMs = performance.now();
          this.#handle(attachment, message.kind);
        }
      }
    } finally {
      if (attachment !== null) this.detach(attachment);
    }
  }

  /** Ends an attachment; its leases are released when the worker has not come back with them in time. */
  detach(attachment: Attachment): void {
    if (attachment.closed) return;
    attachment.closed = true;
    this.#ctx.dispatcher.attachments.delete(attachment.id);
    const release = this.#releaseLater(attachment).catch((error: unknown) => this.#ctx.log.error({ err: error }, 'leases not released'));
    this.#releases.add(release);
    void release.finally(() => this.#releases.delete(release));
  }

  /** Waits for the releases that are under way. */
  async settled(): Promise<void> {
    await Promise.all(this.#releases);
  }

  async #releaseLater(attachment: Attachment): Promise<void> {
    const ctx = this.#ctx;
    await sleep(ctx.settings.releaseAfterMs, undefined, { signal: ctx.signal }).catch(() => undefined);
    if (ctx.signal.aborted) return; // shutting down: the next instance adopts or sweeps
    const held = await repeat(ctx, () => leasesOfAttachment(ctx.db, { instanceId: ctx.instanceId(), attachment: attachment.id }));
    const withText = held.map((lease) => ({ ...lease, progress: lease.progress || attachment.tasks.get(lease.token)?.wroteText === true }));
    if (held.length > 0) ctx.log.warn({ worker: attachment.worker.workerId, leases: held.length }, 'worker lost, its leases are released');
    await recoverAll(ctx, withText, 'worker_lost');
    await workerDetached(ctx.db, { workerId: attachment.worker.workerId, attachment: attachment.id, status: 'stopped' });
  }

  /** Ends the streams of workers that have fallen silent, and the tasks that owe a heartbeat. */
  checkLiveness(): void {
    const now = performance.now();
    for (const attachment of this.#ctx.dispatcher.attachments.values()) {
      if (now - attachment.lastHeardMs >= this.#ctx.settings.silentAfterMs) {
        this.#ctx.log.warn({ worker: attachment.worker.workerId }, 'worker fell silent');
        this.detach(attachment);
        continue;
      }
      for (const record of attachment.tasks.values()) {
        const { heartbeatMs } = record.payload.options;
        if (heartbeatMs !== undefined && now - record.heardMs > heartbeatMs) this.#heartbeatMissed(attachment, record);
      }
    }
  }

  #heartbeatMissed(attachment: Attachment, record: TaskRecord): void {
    record.heardMs = Number.POSITIVE_INFINITY; // once
    this.#enqueue(attachment, record.token, async () => {
      if (!attachment.tasks.has(record.token)) return;
      await failTask(this.#ctx, record, {
        kind: 'failure',
        code: 'heartbeat',
        message: 'The task sent no heartbeat in time.',
        retryable: true,
      });
      cancelLease(this.#ctx, record, 'heartbeat');
    });
  }

  async #hello(hello: Hello, outgoing: MessageQueue<ServerMessage>): Promise<Attachment> {
    const ctx = this.#ctx;
    const capacity = new Map<Pool, number>();
    for (const { pool, capacity: n } of hello.slots) if (POOLS.includes(pool as Pool)) capacity.set(pool as Pool, n);
    const worker = {
      workerId: hello.workerId,
      bootId: hello.bootId,
      hostname: hello.hostname,
      version: hello.version,
      group: hello.workerGroup === '' ? null : hello.workerGroup,
      capacity,
    };
    const attachment = new Attachment(ctx.ids.next(), worker, performance.now(), (message) => outgoing.push(message));
    // A second stream of the same boot replaces the first; the old one must not release what this one adopts.
    const known = new Map<Uuid, TaskRecord>();
    for (const other of ctx.dispatcher.attachments.values()) {
      if (other.worker.workerId !== worker.workerId) continue;
      for (const record of other.tasks.values()) known.set(record.token, record);
      this.detach(other);
    }
    const held = await this.#adopt(attachment, hello, known);
    await repeat(ctx, () =>
      workerAttached(ctx.db, {
        workerId: worker.workerId,
        bootId: worker.bootId,
        instanceId: ctx.instanceId(),
        attachment: attachment.id,
        group: worker.group,
        hostname: worker.hostname === '' ? hostname() : worker.hostname,
        version: worker.version,
        pools: Object.fromEntries(capacity),
      }),
    );
    const tokens = new Set(held.map((lease) => lease.token));
    attachment.send({
      $case: 'welcome',
      value: {
        instanceId: ctx.instanceId(),
        held: [...tokens],
        lost: hello.held.map((lease) => lease.token).filter((token) => !tokens.has(token)),
      },
    });
    ctx.dispatcher.attachments.set(attachment.id, attachment);
    ctx.dispatcher.poke();
    return attachment;
  }

  /** Takes over what the worker still holds; what it does not know of was never delivered, and another boot's leases are lost. */
  async #adopt(attachment: Attachment, hello: Hello, known: ReadonlyMap<Uuid, TaskRecord>): Promise<HeldLease[]> {
    const ctx = this.#ctx;
    const { workerId, bootId } = attachment.worker;
    const tokens = hello.held.map((lease) => lease.token);
    const at = { instanceId: ctx.instanceId(), attachment: attachment.id, bootId, workerId, tokens };
    const held = await repeat(ctx, () => adoptLeases(ctx.db, at));
    const snapshots = new Map(
      (await workflowsById(ctx.db, [...new Set(held.map((lease) => lease.workflowId))])).map((row) => [row.id, row]),
    );
    for (const lease of held) {
      const workflow = snapshots.get(lease.workflowId);
      if (workflow !== undefined) attachment.add(await this.#adopted(lease, workflow, known.get(lease.token)));
    }
    const others = (await repeat(ctx, () => leasesOfWorker(ctx.db, workerId))).filter((lease) => lease.attachment !== attachment.id);
    await recoverAll(
      ctx,
      others.filter((lease) => lease.bootId === bootId),
      'unstarted',
    );
    await recoverAll(
      ctx,
      others.filter((lease) => lease.bootId !== bootId),
      'worker_lost',
    );
    return held;
  }

  /** What is remembered of an adopted lease: the record of its last stream, else what the log says. */
  async #adopted(lease: HeldLease, workflow: WorkflowSnapshot, known: TaskRecord | undefined): Promise<TaskRecord> {
    if (known !== undefined) return known;
    const record = taskRecord({ ...lease, state: workflow.state, revision: workflow.revision });
    if (lease.progress && lease.pool === 'reason') {
      const execId = lease.payload.context.exec_id ?? '';
      record.startedSequences = await startedTexts(this.#ctx.db, { sessionId: lease.sessionId, execId });
    }
    return record;
  }

  #handle(attachment: Attachment, message: NonNullable<WorkerMessage['kind']>): void {
    switch (message.$case) {
      case 'hello':
        return;
      case 'beat':
        attachment.loopDelayMs = message.value.loopDelayMs;
        return attachment.send({ $case: 'pulse', value: { n: message.value.n } });
      case 'complete':
        return this.#enqueue(attachment, message.value.token, () => this.#complete(attachment, message.value));
      case 'append':
        return this.#enqueue(attachment, message.value.token, () => this.#append(attachment, message.value));
      case 'delta':
        return this.#enqueue(attachment, message.value.token, () => this.#delta(attachment, message.value));
      case 'checkpoint': {
        const { taskId, token, n, state } = message.value;
        return this.#enqueue(attachment, token, async () => {
          const ok = await repeat(this.#ctx, () => checkpointLease(this.#ctx.db, { taskId, token, state: JSON.parse(state.toString()) }));
          attachment.send({ $case: 'checkpointed', value: { token, n, verdict: ok ? 'ok' : 'lost' } });
        });
      }
      case 'release':
        for (const { token } of message.value.leases) this.#enqueue(attachment, token, () => this.#giveBack(attachment, token));
        return;
      case 'draining':
        attachment.draining = true;
        workerDetached(this.#ctx.db, { workerId: attachment.worker.workerId, attachment: attachment.id, status: 'draining' }).catch(
          (error: unknown) => this.#ctx.log.warn({ err: error }, 'draining not recorded'),
        );
        return;
      case 'heartbeat': {
        const record = attachment.tasks.get(message.value.token);
        if (record !== undefined) record.heardMs = performance.now();
        return;
      }
      default:
        return message satisfies never;
    }
  }

  /** Messages of one lease are handled in order; those of different leases at the same time. */
  #enqueue(attachment: Attachment, token: Uuid, work: () => Promise<void> | void): void {
    const record = attachment.tasks.get(token);
    const run = async (): Promise<void> => {
      try {
        await work();
      } catch (error) {
        this.#ctx.log.error({ err: error, token }, 'worker message not handled');
      }
    };
    if (record === undefined) void run();
    else record.queue = record.queue.then(run);
  }

  async #complete(attachment: Attachment, message: Complete): Promise<void> {
    const { token, taskId } = message;
    const record = attachment.tasks.get(token);
    if (record === undefined) {
      attachment.send({ $case: 'completed', value: { taskId, token, verdict: 'lost', next: undefined } });
      return;
    }
    const outcome = JSON.parse(message.outcome.toString()) as TaskOutcome;
    const seatFor = (pool: 'reason'): boolean =>
      message.acceptsNext && (record.pool === pool || attachment.free(pool) > 0) && !attachment.draining;
    const answer = await completeTask(this.#ctx, record, outcome, { seatFor });
    attachment.remove(token);
    attachment.send({ $case: 'completed', value: { taskId, token, verdict: answer.verdict, next: undefined } });
    if (answer.next !== null) this.#assignEager(attachment, record, answer.next);
    this.#ctx.dispatcher.seatFreed(record.pool);
  }

  #assignEager(attachment: Attachment, before: TaskRecord, next: EagerTask): void {
    const { draft, token, state, revision } = next;
    const record = taskRecord({
      ...before,
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
    if (attachment.closed) return this.#ctx.reconcile(); // its worker is gone or attached anew, and knows nothing of this lease
    attachment.add(record);
    void this.#start(attachment, record);
  }

  /** A claim found a seat here. */
  assign(attachment: Attachment, task: ClaimedTask): void {
    this.#ctx.feed.committed(task.sessionId, [task.started]);
    const record = taskRecord(task);
    attachment.add(record);
    void this.#start(attachment, record);
  }

  /** Claimed for a worker that has left meanwhile: never delivered, so it goes back as it was. */
  async orphaned(task: ClaimedTask): Promise<void> {
    this.#ctx.feed.committed(task.sessionId, [task.started]);
    const lease = { ...task, instanceId: this.#ctx.instanceId(), attachment: task.seat.attachment, bootId: '', progress: false };
    await recoverAll(this.#ctx, [lease], 'unstarted');
  }

  async #start(attachment: Attachment, record: TaskRecord): Promise<void> {
    const ctx = this.#ctx;
    try {
      const input = record.pool === 'tool' ? toolInput(record) : await repeat(ctx, () => reasonInput(record, ctx));
      if (input.kind === 'reason' && input.model.provider_id !== undefined) {
        const parked = await this.#park(attachment, record, `llm:${input.model.provider_id}`);
        if (parked) return;
        if (record.breaker !== null) input.probe = true;
      }
      if (!attachment.tasks.has(record.token)) return; // cancelled while its input was read
      attachment.send({ $case: 'assign', value: { task: wireTask(record, input) } });
    } catch (error) {
      if (!(error instanceof SessionGoneError)) ctx.log.error({ err: error, task: record.taskId }, 'task not delivered');
      attachment.remove(record.token);
      const lease = { ...record, instanceId: ctx.instanceId(), attachment: attachment.id, bootId: '', progress: false };
      await recoverAll(ctx, [lease], 'unstarted');
    }
  }

  /** An open circuit parks the task instead of failing it. */
  async #park(attachment: Attachment, record: TaskRecord, key: string): Promise<boolean> {
    const ctx = this.#ctx;
    const admission = await ctx.breakers.admit(key, record.token);
    if (admission.admitted) {
      record.breaker = admission.watched ? key : null;
      return false;
    }
    attachment.remove(record.token);
    const lease = { ...record, instanceId: ctx.instanceId(), attachment: attachment.id, bootId: '', progress: false };
    const { losses, failures } = record;
    await repeat(ctx, () => requeueLease(ctx.db, { lease, losses, failures, delayMs: Math.max(1, admission.retryInMs), breaker: key }));
    ctx.dispatcher.seatFreed(record.pool);
    return true;
  }

  async #giveBack(attachment: Attachment, token: Uuid): Promise<void> {
    const record = attachment.remove(token);
    if (record === null) return;
    const lease = { ...record, instanceId: this.#ctx.instanceId(), attachment: attachment.id, bootId: '', progress: false };
    await recoverAll(this.#ctx, [lease], 'unstarted');
  }

  async #append(attachment: Attachment, message: Append): Promise<void> {
    const ctx = this.#ctx;
    const { taskId, token, n } = message;
    const record = attachment.tasks.get(token);
    if (record === undefined) return attachment.send({ $case: 'appended', value: { token, n, verdict: 'lost', sequences: [] } });
    const state = record.state as TurnState;
    const events = (JSON.parse(message.events.toString()) as InStepEvent[]).map((event) => ({
      type: event.type,
      context: record.pool === 'reason' ? inStepContext(state, event.type) : record.payload.context,
      data: event.data,
    }));
    const result = await repeat(
      ctx,
      () => appendInStep(ctx.db, { sessionId: record.sessionId, taskId, token, n, events }),
      record.sessionId,
    );
    if (result.verdict === 'lost' || result.verdict === 'ended') {
      attachment.send({ $case: 'appended', value: { token, n, verdict: result.verdict, sequences: [] } });
      cancelLease(ctx, { token }, result.verdict);
      return;
    }
    for (const [index, event] of events.entries()) {
      if (event.type === 'output.message.started') record.startedSequences.set('output', result.sequences[index] as number);
      if (event.type === 'reason.thinking.started') record.startedSequences.set('thinking', result.sequences[index] as number);
    }
    ctx.feed.committed(record.sessionId, result.events);
    attachment.send({ $case: 'appended', value: { token, n, verdict: 'ok', sequences: result.sequences } });
  }

  #delta(attachment: Attachment, delta: Delta): void {
    const record = attachment.tasks.get(delta.token);
    if (record === undefined) return;
    const messageId = fromPublicId('message', delta.messageId);
    const started = record.startedSequences.get(delta.stream as TextStream);
    if (messageId === null || started === undefined) return;
    record.wroteText = true;
    this.#ctx.feed.delta({
      sessionId: record.sessionId,
      turnId: record.workflowId,
      messageId,
      attempt: delta.attempt,
      stream: delta.stream as TextStream,
      offset: delta.offset,
      text: delta.text,
      startedSequence: started,
    });
  }
}

function wireTask(record: TaskRecord, input: unknown): Task {
  return {
    taskId: record.taskId,
    token: record.token,
    pool: record.pool,
    sessionId: record.sessionId,
    workflowId: record.workflowId,
    attempt: record.attempt,
    input: Buffer.from(JSON.stringify(input)),
    startToCloseMs: record.payload.options.startToCloseMs,
    heartbeatMs: record.payload.options.heartbeatMs ?? 0,
    checkpoint:
      record.checkpoint === null || record.checkpoint === undefined ? Buffer.alloc(0) : Buffer.from(JSON.stringify(record.checkpoint)),
  };
}
