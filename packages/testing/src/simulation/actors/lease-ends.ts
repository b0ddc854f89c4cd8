import type { Pool, Uuid } from '@everruns/contract';
import { decideDeath, decideGoOn, decideSeal, decideTool, FINAL_STATUSES, isRetryable, retryDelayMs } from '@everruns/engine';
import type { Plan, TurnState } from '@everruns/engine';
import type { Cause } from '@everruns/engine/turn/causes';
import { done, sleep } from '../base/task.ts';
import type { Task } from '../base/task.ts';
import { applyPlan, lockHead, openCalls, workflowUnderHead } from '../statements/head.ts';
import type { HeldWorkflow } from '../statements/head.ts';
import { dropLease, leaseStands, requeueLease, takeReady } from '../statements/leases.ts';
import type { RequeueCommand } from '../statements/leases.ts';
import { lastReasonStart } from '../statements/step.ts';
import type { Written } from '../statements/writes.ts';
import type { Sql } from '../store/statement.ts';
import type { HeadRow, LeaseRow, TaskRow } from '../store/tables.ts';
import { announce, revoke } from './context.ts';
import type { Instance } from './instance.ts';
import { repeat } from './repeat.ts';

/** How a lease ends other than by the completion of its step: given back, settled as unknown, failed, sealed. */

/** An open transaction that holds one session's head. */
export interface HeldHead {
  head: HeadRow;
  run<T>(sql: Sql<T>): Task<T>;
  /** The running workflow, if it is this one. */
  live(workflowId: Uuid | null): Task<HeldWorkflow | null>;
  apply(decision: HeadDecision): Task<Written>;
}

export interface HeadDecision {
  workflow: HeldWorkflow;
  plan: Plan;
  /** Null: not one of the engine's. */
  cause: Cause | null;
  drop?: readonly Uuid[] | 'all';
  /** The key of the message in the plan. */
  messageKey?: Uuid | null;
}

/** Lock, then act. */
export function underHead<T>(ctx: Instance, sessionId: Uuid, work: (held: HeldHead) => Task<T>): Task<T> {
  return ctx.transaction(function* (run): Task<T> {
    const head = yield* run(lockHead(sessionId));
    return yield* work({
      head,
      run,
      *live(workflowId) {
        if (workflowId === null || head.turnId !== workflowId) return null;
        const workflow = yield* run(workflowUnderHead(workflowId, ctx.world.faults));
        return workflow === null || FINAL_STATUSES.has(workflow.status) ? null : workflow;
      },
      *apply({ workflow, plan, cause, drop = [], messageKey = null }) {
        const written = yield* run(applyPlan({ sessionId, workflowId: workflow.id, plan, drop, messageKey }));
        if (cause !== null) ctx.world.decisions.add(`${workflow.state.phase}: ${cause}`);
        return written;
      },
    });
  });
}

/** Applies what is decided under a session's head, and tells everybody; null decides nothing. */
export function decideUnderHead(ctx: Instance, sessionId: Uuid, decide: (held: HeldHead) => Task<HeadDecision | null>): Task<boolean> {
  const write = function* (): Task<boolean> {
    const applied = yield* underHead(ctx, sessionId, function* (held) {
      const decision = yield* decide(held);
      return decision === null ? null : { plan: decision.plan, written: yield* held.apply(decision) };
    });
    if (applied === null) return false;
    announce(ctx, applied.written.dropped, new Set(applied.plan.tasks.map((task): Pool => task.pool)));
    return true;
  };
  return repeat(ctx, write, sessionId);
}

/** Between two looks at a lease that somebody else is deciding about. */
const BUSY_MS = 20;

/** Lease back to the queue, or to a timer; false when it has changed hands. One that somebody is deciding about is waited for. */
export function requeue(ctx: Instance, command: RequeueCommand): Task<boolean> {
  const write = function* (): Task<boolean> {
    while (!(yield* ctx.db(requeueLease(command)))) {
      if (!(yield* ctx.db(leaseStands(command.lease)))) return false;
      yield* sleep(ctx.world.timeline, BUSY_MS);
    }
    return true;
  };
  return repeat(ctx, write, command.lease.sessionId);
}

/** Which holder a decision is about: this one, or whoever holds the task by now. */
type Holder = 'as read' | 'whoever';

interface LeaseDecision {
  plan: Plan;
  cause: Cause;
  drop: readonly Uuid[] | 'all';
}

/** Decides about a lease under its session's head; does nothing when it has changed hands. A lease whose turn is over is nobody's: it goes. */
function* underLease(
  ctx: Instance,
  lease: LeaseRow,
  holder: Holder,
  decide: (state: TurnState, workflow: HeldWorkflow, held: HeldHead) => Task<LeaseDecision>,
): Task<void> {
  let over = true;
  yield* decideUnderHead(ctx, lease.sessionId, function* (held): Task<HeadDecision | null> {
    const workflow = yield* held.live(lease.workflowId);
    over = workflow === null;
    const found = workflow?.leases.find((candidate) => candidate.token === lease.token);
    if (workflow === null || found === undefined) return null;
    const isSame = found.instanceId === lease.instanceId && found.attachment === lease.attachment;
    if (holder === 'as read' && !isSame) return null;
    return { workflow, ...(yield* decide(workflow.state, workflow, held)) };
  });
  if (!over) return;
  yield* repeat(ctx, () => ctx.db(dropLease(lease)));
  revoke(ctx, lease);
}

type CallEnd = Parameters<typeof decideTool>[1]['end'];

export function settleUnknown(ctx: Instance, lease: LeaseRow, holder: Holder): Task<void> {
  return settleCall(ctx, lease, { status: 'unknown', error: 'Outcome unknown.' }, holder);
}

export function settleCall(ctx: Instance, lease: LeaseRow, end: CallEnd, holder: Holder = 'whoever'): Task<void> {
  return underLease(ctx, lease, holder, (_state, workflow) => {
    return done(() => ({ ...decisionOfCall(ctx, workflow, { callId: lease.callId as string, end }), drop: [lease.id] }));
  });
}

function decisionOfCall(ctx: Instance, workflow: HeldWorkflow, call: { callId: string; end: CallEnd }): { plan: Plan; cause: Cause } {
  const plans = new Map(workflow.calls.map((row) => [row.callId, row.plan]));
  const decision = decideTool(workflow.state, { ...call, plans }, ctx.decideContext());
  const last = workflow.openCalls === 1;
  const settled: Cause = last ? 'last server call settled' : 'call settled, others open';
  return { plan: last ? decision.last : decision.others, cause: call.end.status === 'unknown' ? 'call unknown' : settled };
}

/** Lost too often without any progress: the turn stops, unless a message came in that nobody has read. */
export function sealTurn(ctx: Instance, lease: LeaseRow): Task<void> {
  return underLease(ctx, lease, 'as read', function* (state, workflow, held): Task<LeaseDecision> {
    const open = openCalls(workflow);
    if (!(yield* hasUnreadInput(ctx, held))) return { plan: decideSeal(state, open, ctx.decideContext()), cause: 'sealed', drop: 'all' };
    if (lease.callId === null || ctx.world.faults.has('batch_given_up')) {
      return { plan: decideGoOn(state, open, ctx.decideContext()), cause: 'given up, but input came in', drop: 'all' };
    }
    // Only this call: tasks of the others are in the queue, and a turn that goes on would run them after their end.
    const end = { status: 'error', error: 'The call was given up.' } as const;
    return { ...decisionOfCall(ctx, workflow, { callId: lease.callId, end }), drop: [lease.id] };
  });
}

/** The task itself broke: the retry policy decides, but an unsafe call is never run again. */
export function* failLease(ctx: Instance, lease: LeaseRow, failure: { code: string; retryable: boolean }): Task<void> {
  if (lease.pool === 'tool' && lease.effect === 'unsafe') return yield* settleUnknown(ctx, lease, 'whoever');
  const failures = lease.failures + 1;
  const delayMs = isRetryable(failure) ? retryDelayMs(failures, ctx.world.random.next()) : null;
  if (delayMs === null) return yield* endDead(ctx, lease);
  yield* requeue(ctx, { lease, losses: lease.losses, failures, delayMs });
}

/** The task's attempts are used up: a tool call is answered as an error, a reason step ends its turn. */
function endDead(ctx: Instance, lease: LeaseRow): Task<void> {
  if (lease.pool === 'tool') return settleCall(ctx, lease, { status: 'error', error: 'The tool could not be run.' });
  return underLease(ctx, lease, 'whoever', function* (_state, workflow, held): Task<LeaseDecision> {
    const unread = yield* hasUnreadInput(ctx, held);
    return { ...decisionOfDeath(ctx, { workflow, unread, task: lease }), drop: 'all' };
  });
}

interface Death {
  workflow: HeldWorkflow;
  unread: boolean;
  task: TaskRow;
}

function decisionOfDeath(ctx: Instance, { workflow, unread, task }: Death): { plan: Plan; cause: Cause } {
  const open = openCalls(workflow);
  if (unread) return { plan: decideGoOn(workflow.state, open, ctx.decideContext()), cause: 'given up, but input came in' };
  const { id, pool, priority, step, callId, effect, payload, attempt } = task;
  const dead = [{ id: ctx.world.ids.next(), task: { id, pool, priority, step, callId, effect, payload }, attempts: attempt, errors: [] }];
  return { plan: { ...decideDeath(workflow.state, open, 'It failed.', ctx.decideContext()), dead }, cause: 'step died' };
}

/** No worker took a task in time. It leaves the queue in the transaction that records what becomes of it. */
export function* endUnstartedTask(ctx: Instance, task: TaskRow): Task<boolean> {
  const before = ctx.world.faults.has('unstarted_in_two_steps') && (yield* ctx.db(takeReady(task.id)));
  return yield* decideUnderHead(ctx, task.sessionId, function* (held): Task<HeadDecision | null> {
    if (!before && !(yield* held.run(takeReady(task.id)))) return null;
    const workflow = yield* held.live(task.workflowId);
    if (workflow === null) return null;
    // Nobody has read its message, and nobody would read it in the next step either.
    if (task.callId === null) return { workflow, ...decisionOfDeath(ctx, { workflow, unread: false, task }), drop: 'all' };
    return { workflow, ...decisionOfCall(ctx, workflow, { callId: task.callId, end: { status: 'error', error: 'Nobody started it.' } }) };
  });
}

/** May there be a message that no reason step had in its prompt? */
function* hasUnreadInput(ctx: Instance, held: HeldHead): Task<boolean> {
  if (ctx.world.faults.has('given_up_unread')) return false;
  return held.head.lastInputSeq > (yield* held.run(lastReasonStart(held.head.sessionId)));
}
