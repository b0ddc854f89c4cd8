import type { PlannedCall, ReasonOutcome, TaskFailure, ToolOutcome } from '@everruns/contract';
import { decideReason, decideTool, expects } from '@everruns/engine';
import type { ModelFacts, Plan, TurnState } from '@everruns/engine';
import type { Cause } from '@everruns/engine/turn/causes';
import { short } from '../base/ids.ts';
import type { Task } from '../base/task.ts';
import { answered, complete } from '../statements/complete.ts';
import type { Branch, CompleteCommand, CompleteResult } from '../statements/complete.ts';
import type { Claimed } from '../statements/claim.ts';
import { callsOfStep } from '../statements/step.ts';
import type { LeaseRow } from '../store/tables.ts';
import type { Attachment, TaskRecord } from './gateway.ts';
import type { Instance } from './instance.ts';
import { failLease } from './lease-ends.ts';
import { repeat } from './repeat.ts';
import { count } from './world.ts';

export interface Completion {
  record: TaskRecord;
  outcome: ReasonOutcome | ToolOutcome | TaskFailure;
  attachment: Attachment;
  /** May the answer carry the workflow's next reason step? */
  eager: boolean;
}

export interface CompletionAnswer {
  verdict: 'ok' | 'lost' | 'ended';
  next: Claimed | null;
}

type Branches = Record<Branch, { plan: Plan; eager: LeaseRow | null; cause: Cause } | null>;

/** Records the outcome of a task; repeating it with the same token gives the same answer. */
export function* completeTask(ctx: Instance, completion: Completion): Task<CompletionAnswer> {
  const { outcome, record } = completion;
  // An adopted lease's state is read after it: the call may have been settled in between.
  if (!expects(record.state, record.lease)) return { verdict: 'lost', next: null };
  switch (outcome.kind) {
    case 'reason':
      return yield* completeReason(ctx, completion, outcome);
    case 'tool':
      return yield* completeTool(ctx, completion, outcome);
    case 'failure':
      count(ctx.world, 'task failed');
      yield* failLease(ctx, leaseOf(completion), outcome);
      return { verdict: 'ok', next: null };
    default:
      return outcome satisfies never;
  }
}

function* completeReason(ctx: Instance, completion: Completion, outcome: ReasonOutcome): Task<CompletionAnswer> {
  let { state, revision } = completion.record;
  for (;;) {
    const model: ModelFacts = { ...outcome.answered.model, seen: outcome.answered.seen };
    const decision = decideReason(state, outcome, model, ctx.decideContext());
    const branches: Branches = {
      only: { plan: decision.plan, eager: null, cause: reasonCause(state, outcome, false) },
      steered:
        decision.steered === null ? null : { ...eagerPlan(ctx, completion, decision.steered), cause: reasonCause(state, outcome, true) },
      last: null,
    };
    const result = yield* recordOutcome(ctx, completion, { branches, revision, seen: outcome.answered.seen });
    if (result.verdict !== 'conflict') return settle(ctx, completion, { result, branches, phase: state.phase });
    // The claim's snapshot was older than its lease: decide again on the state that the refusal carries.
    count(ctx.world, 'conflict');
    ({ state, revision } = result);
  }
}

function* completeTool(ctx: Instance, completion: Completion, outcome: ToolOutcome): Task<CompletionAnswer> {
  const { lease, state } = completion.record;
  const { status, result, error, duration_ms, events } = outcome;
  const end = { status, duration_ms, ...(result === undefined ? {} : { result }), ...(error === undefined ? {} : { error }) };
  const plans = yield* plansOf(ctx, completion.record);
  const decision = decideTool(state, { callId: lease.callId as string, end, events, plans }, ctx.decideContext());
  const clientLeft = state.calls.some((call) => call.side === 'client');
  const branches: Branches = {
    only: { plan: decision.others, eager: null, cause: 'call settled, others open' },
    last: {
      ...eagerPlan(ctx, completion, decision.last),
      cause: clientLeft ? 'last server call settled, client calls left' : 'last server call settled',
    },
    steered: null,
  };
  const recorded = yield* recordOutcome(ctx, completion, { branches, revision: null, seen: 0 });
  if (recorded.verdict === 'conflict') throw new Error('A tool call has no revision to conflict with.');
  return settle(ctx, completion, { result: recorded, branches, phase: state.phase });
}

/** The batch's calls in full are only needed for a successor or for what the client is asked. */
function* plansOf(ctx: Instance, { lease, state }: TaskRecord): Task<ReadonlyMap<string, PlannedCall>> {
  const call = state.calls.find((candidate) => candidate.id === lease.callId);
  const own = lease.payload.input['call'] as PlannedCall;
  if (call?.next === undefined && state.calls.every((candidate) => candidate.side === 'server')) return new Map([[own.id, own]]);
  return yield* repeat(ctx, () => ctx.db(callsOfStep({ workflowId: lease.workflowId, step: lease.step })));
}

/** The next reason step goes to the worker that has just completed one: its lease instead of a ready row, its start event with the plan's. */
function eagerPlan(
  ctx: Instance,
  { attachment, eager, record: { lease } }: Completion,
  plan: Plan,
): { plan: Plan; eager: LeaseRow | null } {
  const [task] = plan.tasks;
  if (!eager || attachment.closed || ctx.dispatcher.paused || plan.tasks.length !== 1 || task === undefined || task.pool !== 'reason')
    return { plan, eager: null };
  const token = ctx.world.ids.named('b');
  const { start, context } = task.payload;
  const started = { type: start.type, context, data: { ...start.data, attempt: 1 } };
  const leased = { ...plan, tasks: [], leases: [{ ...task, token }], events: [...plan.events, started] };
  const { instanceId } = attachment;
  const next = {
    ...lease,
    ...task,
    attempt: 1,
    losses: 0,
    failures: 0,
    token,
    grantedBy: lease.token,
    instanceId,
    ...attachment.seat,
    appended: 0,
  };
  return { plan: leased, eager: next };
}

interface Decided {
  branches: Branches;
  revision: number | null;
  seen: number;
}

type Recorded = CompleteResult | { verdict: 'repeated' };

function* recordOutcome(ctx: Instance, { record: { lease } }: Completion, decided: Decided): Task<Recorded> {
  const { branches, revision, seen } = decided;
  const command: CompleteCommand = {
    sessionId: lease.sessionId,
    workflowId: lease.workflowId,
    taskId: lease.id,
    callId: lease.callId,
    token: lease.token,
    revision,
    seen,
    plan: (branches.only as { plan: Plan }).plan,
    last: branches.last?.plan ?? null,
    steered: branches.steered?.plan ?? null,
  };
  return yield* repeat(ctx, function* (): Task<Recorded> {
    const result = yield* ctx.db(complete(command, ctx.world.faults));
    if (result.verdict !== 'lost') return result;
    return (yield* ctx.db(answered(lease.token))) ? { verdict: 'repeated' } : result;
  });
}

interface Settling {
  result: Exclude<Recorded, { verdict: 'conflict' }>;
  branches: Branches;
  phase: TurnState['phase'];
}

function settle(ctx: Instance, { record: { lease } }: Completion, settling: Settling): CompletionAnswer {
  const { result, branches, phase } = settling;
  count(ctx.world, `completion ${result.verdict}`);
  if (result.verdict === 'repeated') {
    // Whoever wrote it may have died before anybody was told of the next task that was leased along with it.
    ctx.reconciler.request();
    if (!ctx.world.faults.has('wakeup_forgotten')) ctx.dispatcher.poke();
    return { verdict: 'ok', next: null };
  }
  if (result.verdict !== 'ok') return { verdict: result.verdict, next: null };
  const branch = branches[result.branch] ?? (branches.only as NonNullable<Branches['only']>);
  ctx.world.decisions.add(`${phase}: ${branch.cause}`);
  ctx.world.trace(() => `${ctx.name} completes ${short(lease.id)}: ${branch.cause}`);
  ctx.wake(new Set(branch.plan.tasks.map((task) => task.pool)));
  if (branch.eager === null) return { verdict: 'ok', next: null };
  count(ctx.world, 'eager hand-over');
  return { verdict: 'ok', next: { lease: branch.eager, state: branch.plan.state as TurnState, revision: result.revision } };
}

/** The lease as it stands under this attachment: what releases it is conditional on that. */
function leaseOf({ record: { lease }, attachment }: Completion): LeaseRow {
  return { ...lease, instanceId: attachment.instanceId, ...attachment.seat };
}

function reasonCause(state: TurnState, outcome: ReasonOutcome, steered: boolean): Cause {
  if (!outcome.success) return steered ? 'model failed, but input came in' : 'model failed';
  const capped = state.iteration >= outcome.max_iterations;
  if (outcome.calls.length === 0 || capped) {
    if (steered) return 'answer, but input came in';
    return outcome.calls.length === 0 ? 'answer' : 'calls at the iteration cap';
  }
  const sides = new Set(outcome.calls.map((call) => call.side));
  return sides.size === 2 ? 'mixed calls' : sides.has('client') ? 'client calls' : 'server calls';
}
