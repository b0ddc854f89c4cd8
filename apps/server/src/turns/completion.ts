import type { ReasonOutcome, TaskFailure, TaskOutcome, ToolOutcome, Uuid } from '@everruns/contract';
import { DEFAULT_BREAKER, decideReason, decideTool, isRetryable, retryDelayMs, withUniqueIds } from '@everruns/engine';
import type { ModelFacts, Plan, TaskError, TurnState } from '@everruns/engine';
import { callsOfStep, completeStep, requeueLease } from '@everruns/storage';
import type { CompleteResult } from '@everruns/storage';
import { announce, decideContext, repeat, wake } from './context.ts';
import type { EngineContext } from './context.ts';
import { eagerPlan } from './eager.ts';
import type { EagerTask } from './eager.ts';
import { endDead, fireTimers, settleUnknown } from './recovery.ts';
import type { TaskRecord } from './task-record.ts';

/** What the worker is told, and the task it got along with the answer. */
export interface CompletionAnswer {
  verdict: 'ok' | 'lost' | 'ended';
  next: EagerTask | null;
}

/** Can this completion be answered with the workflow's next task? Tells whose attachment has a seat. */
export type SeatFor = (pool: 'reason') => boolean;

/** Records the outcome of a task. Repeating it with the same token gives the same answer. */
export async function completeTask(
  ctx: EngineContext,
  record: TaskRecord,
  outcome: TaskOutcome,
  options: { seatFor: SeatFor },
): Promise<CompletionAnswer> {
  switch (outcome.kind) {
    case 'reason':
      return completeReason(ctx, record, outcome, options);
    case 'tool':
      return completeTool(ctx, record, outcome, options);
    case 'failure':
      await failTask(ctx, record, outcome);
      return { verdict: 'ok', next: null };
    default:
      return outcome satisfies never;
  }
}

async function completeReason(
  ctx: EngineContext,
  record: TaskRecord,
  raw: ReasonOutcome,
  options: { seatFor: SeatFor },
): Promise<CompletionAnswer> {
  const outcome: ReasonOutcome = { ...raw, calls: withUniqueIds(raw.calls) };
  await recordCall(ctx, record, outcome);
  if (isSilentProbe(record, outcome)) return parkAgain(ctx, record);
  const { seen, through } = outcome.answered;
  const model: ModelFacts = { ...outcome.answered.model, seen, ...(through === undefined ? {} : { through }) };
  const decision = decideReason(record.state as TurnState, outcome, model, decideContext(ctx));
  const steered = decision.steered === null ? null : eagerPlan(decision.steered, ctx, options.seatFor);
  const result = await repeat(
    ctx,
    () =>
      completeStep(ctx.db, {
        sessionId: record.sessionId,
        taskId: record.taskId,
        token: record.token,
        revision: record.revision,
        seen: outcome.answered.seen,
        plan: decision.plan,
        steered: steered?.plan ?? null,
      }),
    record.sessionId,
  );
  if (record.breaker !== null && outcome.success) releaseParked(ctx);
  return settle(ctx, record, result, { only: { plan: decision.plan, eager: null }, last: null, steered });
}

/** Counts the call towards its provider's circuit, before the lease ends: a probe is known by its lease. */
async function recordCall(ctx: EngineContext, record: TaskRecord, outcome: ReasonOutcome): Promise<void> {
  const providerId = outcome.answered.model.provider_id;
  const fault = outcome.error?.provider_fault === true;
  if (providerId === undefined || (!outcome.success && !fault)) return;
  const call = { token: record.token, success: outcome.success, watched: record.breaker !== null };
  await ctx.breakers
    .record(`llm:${providerId}`, call)
    .catch((error: unknown) => ctx.log.warn({ err: error }, 'circuit breaker not updated'));
}

/** A probe that failed before it showed anything tells of the provider; its turn has waited like all the others, and goes on waiting. */
function isSilentProbe(record: TaskRecord, outcome: ReasonOutcome): boolean {
  return record.breaker !== null && outcome.error?.provider_fault === true && outcome.text === '' && outcome.thinking === undefined;
}

async function parkAgain(ctx: EngineContext, record: TaskRecord): Promise<CompletionAnswer> {
  const { losses, failures } = record;
  const lease = { ...record, instanceId: ctx.instanceId(), attachment: attachmentOf(ctx, record.token), bootId: '', progress: false };
  const command = { lease, losses, failures, delayMs: DEFAULT_BREAKER.openMs, breaker: record.breaker as string };
  const moved = await repeat(ctx, () => requeueLease(ctx.db, command));
  return { verdict: moved ? 'ok' : 'lost', next: null };
}

/** Those who wait for this provider need not wait for the next beat. */
function releaseParked(ctx: EngineContext): void {
  fireTimers(ctx).catch((error: unknown) => ctx.log.warn({ err: error }, 'parked tasks not moved'));
}

async function completeTool(
  ctx: EngineContext,
  record: TaskRecord,
  outcome: ToolOutcome,
  options: { seatFor: SeatFor },
): Promise<CompletionAnswer> {
  const state = record.state as TurnState;
  const plans = await plansOf(ctx, record, state);
  const { status, result, error, duration_ms, events } = outcome;
  const end = { status, duration_ms, ...(result === undefined ? {} : { result }), ...(error === undefined ? {} : { error }) };
  const decision = decideTool(state, { callId: record.callId as string, end, events, plans }, decideContext(ctx));
  const last = eagerPlan(decision.last, ctx, options.seatFor);
  const answer = await repeat(
    ctx,
    () =>
      completeStep(ctx.db, {
        sessionId: record.sessionId,
        taskId: record.taskId,
        token: record.token,
        revision: null,
        seen: 0,
        plan: decision.others,
        last: last.plan,
      }),
    record.sessionId,
  );
  return settle(ctx, record, answer, { only: { plan: decision.others, eager: null }, last, steered: null });
}

/** The batch's calls in full are only needed for a successor or for what the client is asked. */
async function plansOf(ctx: EngineContext, record: TaskRecord, state: TurnState): ReturnType<typeof callsOfStep> {
  const call = state.calls.find((candidate) => candidate.id === record.callId);
  if (call?.next === undefined && state.calls.every((candidate) => candidate.side === 'server')) {
    const own = record.payload.input['call'] as Awaited<ReturnType<typeof callsOfStep>> extends Map<string, infer P> ? P : never;
    return new Map([[own.id, own]]);
  }
  return callsOfStep(ctx.db, { workflowId: record.workflowId, step: record.step });
}

interface Branch {
  plan: Plan;
  eager: EagerTask | null;
}

function settle(
  ctx: EngineContext,
  record: TaskRecord,
  result: CompleteResult,
  branches: Record<'only' | 'last' | 'steered', Branch | null>,
): CompletionAnswer {
  if (result.verdict === 'repeated') {
    ctx.reconcile(); // the first answer may have carried a next task that nobody was told of
    ctx.dispatcher.poke();
    return { verdict: 'ok', next: null };
  }
  if (result.verdict === 'conflict') {
    ctx.log.error({ task: record.taskId, workflow: record.workflowId }, 'a step met another revision of its workflow');
    return { verdict: 'lost', next: null };
  }
  if (result.verdict !== 'ok') return { verdict: result.verdict, next: null };
  const branch = branches[result.branch] ?? (branches.only as Branch);
  const pools = new Set(branch.plan.tasks.map((task) => task.pool));
  announce(ctx, record.sessionId, { events: result.events, dropped: [] }, pools);
  const next = branch.eager === null ? null : { ...branch.eager, revision: result.revision, state: branch.plan.state };
  return { verdict: 'ok', next };
}

/** The task itself broke. The retry policy decides; an unsafe call is never run again, since nobody knows how far it came. */
export async function failTask(ctx: EngineContext, record: TaskRecord, failure: TaskFailure): Promise<void> {
  const lease = { ...record, instanceId: ctx.instanceId(), attachment: attachmentOf(ctx, record.token), bootId: '', progress: false };
  if (record.pool === 'tool' && record.effect === 'unsafe') {
    await settleUnknown(ctx, lease, `The call broke off (${failure.message}); it may or may not have taken effect.`);
    return;
  }
  const failures = record.failures + 1;
  const errors: TaskError[] = [
    ...(record.payload.errors ?? []),
    { code: failure.code, message: failure.message, attempt: record.attempt, at: new Date(ctx.nowMs()).toISOString() },
  ];
  const delayMs = isRetryable(failure) ? retryDelayMs(failures, ctx.random()) : null;
  if (delayMs === null) {
    await endDead(ctx, lease, errors);
    return;
  }
  await repeat(ctx, () => requeueLease(ctx.db, { lease, losses: record.losses, failures, delayMs, errors }));
  wake(ctx, []);
}

function attachmentOf(ctx: EngineContext, token: Uuid): Uuid {
  for (const attachment of ctx.dispatcher.attachments.values()) if (attachment.tasks.has(token)) return attachment.id;
  return '00000000-0000-0000-0000-000000000000';
}
