import type { Uuid } from '@everruns/contract';
import { decideClientDeadline, decideDeath, decideLoss, decideSeal, decideTool, FINAL_STATUSES } from '@everruns/engine';
import type { LossCause, OpenCall, Plan, TaskDraft, TaskError, TurnState } from '@everruns/engine';
import {
  dropTimer,
  dueClientDeadlines,
  moveDueTasks,
  orphanedLeases,
  overdueLeases,
  overdueReady,
  requeueLease,
  takeReady,
  underHead,
} from '@everruns/storage';
import type { CallRow, HeldHead, HeldLease, UnstartedTask, WorkflowRow } from '@everruns/storage';
import { announce, cancelLease, decideContext, repeat, wake } from './context.ts';
import type { EngineContext } from './context.ts';

/** What becomes of work whose holder is gone, late or dead. Every path ends under the session's head or in one conditional statement. */

const SWEEP = 200;

/** A lease whose holder is gone goes back to the queue, is settled as unknown, or seals its turn. */
export async function recoverLease(ctx: EngineContext, lease: HeldLease, cause: LossCause): Promise<void> {
  const verdict = decideLoss(lease, cause, ctx.random());
  switch (verdict.action) {
    case 'requeue': {
      const command = { lease, losses: verdict.losses, failures: lease.failures, delayMs: verdict.delayMs };
      const moved = await repeat(ctx, () => requeueLease(ctx.db, command));
      if (moved && verdict.delayMs === 0) wake(ctx, [lease.pool]);
      return;
    }
    case 'settle_unknown':
      return settleUnknown(
        ctx,
        lease,
        'Outcome unknown: the worker was lost while this call was running. It may or may not have taken effect.',
      );
    case 'seal':
      return underLease(ctx, lease, (state, workflow) => ({
        plan: decideSeal(state, openCalls(workflow), decideContext(ctx)),
        drop: 'all',
      }));
    default:
      return verdict satisfies never;
  }
}

export async function recoverAll(ctx: EngineContext, leases: readonly HeldLease[], cause: LossCause): Promise<void> {
  for (const lease of leases) {
    await recoverLease(ctx, lease, cause).catch((error: unknown) =>
      ctx.log.error({ err: error, task: lease.taskId }, 'lease not recovered'),
    );
  }
}

export function settleUnknown(ctx: EngineContext, lease: HeldLease, text: string): Promise<void> {
  return settleCall(ctx, lease, { status: 'unknown', error: text });
}

type CallEnd = Parameters<typeof decideTool>[1]['end'];

function settleCall(ctx: EngineContext, lease: HeldLease, end: CallEnd): Promise<void> {
  return underLease(ctx, lease, (state, workflow) => {
    const plans = new Map(workflow.calls.map((call) => [call.callId, call.plan]));
    const decision = decideTool(state, { callId: lease.callId as string, end, plans }, decideContext(ctx));
    return { plan: workflow.openCalls === 1 ? decision.last : decision.others, drop: [lease.taskId] };
  });
}

/** The task's attempts are used up. A tool call is answered as an error and the turn goes on; a reason step ends it. */
export function endDead(ctx: EngineContext, lease: HeldLease, errors: TaskError[]): Promise<void> {
  const last = errors.at(-1)?.message ?? 'unknown error';
  if (lease.pool === 'tool') return settleCall(ctx, lease, { status: 'error', error: `The tool could not be run: ${last}` });
  return underLease(ctx, lease, (state, workflow) => {
    const plan = decideDeath(state, openCalls(workflow), `The step failed ${errors.length} times: ${last}`, decideContext(ctx));
    return { plan: { ...plan, dead: [{ id: ctx.ids.next(), task: taskOf(lease), attempts: lease.attempt, errors }] }, drop: 'all' };
  });
}

function taskOf(lease: Pick<HeldLease, 'taskId' | 'pool' | 'step' | 'callId' | 'effect' | 'payload'>): TaskDraft {
  return {
    id: lease.taskId,
    pool: lease.pool,
    priority: 0,
    step: lease.step,
    callId: lease.callId,
    effect: lease.effect,
    payload: lease.payload,
  };
}

export function openCalls(workflow: WorkflowRow): OpenCall[] {
  return workflow.calls.filter((call) => call.state !== 'settled').map(toOpenCall);
}

export function openClientCalls(workflow: WorkflowRow): OpenCall[] {
  return workflow.calls.filter((call) => call.state !== 'settled' && call.side === 'client').map(toOpenCall);
}

function toOpenCall(call: CallRow): OpenCall {
  return { callId: call.callId, state: call.state === 'running' ? 'running' : 'pending', plan: call.plan };
}

interface Verdict {
  plan: Plan;
  drop: Uuid[] | 'all';
}

/** Decides about a lease under its session's head; does nothing when the lease has changed hands or its turn has ended. */
async function underLease(
  ctx: EngineContext,
  lease: Pick<HeldLease, 'sessionId' | 'workflowId' | 'taskId' | 'token'>,
  decide: (state: TurnState, workflow: WorkflowRow) => Verdict,
): Promise<void> {
  await repeat(
    ctx,
    async () => {
      let pools = new Set<'reason' | 'tool'>();
      const applied = await underHead(ctx.db, { sessionId: lease.sessionId, orgId: null }, async (held) => {
        const workflow = await liveWorkflow(held, lease.workflowId);
        if (workflow === null || !workflow.leases.some((candidate) => candidate.token === lease.token)) return null;
        const verdict = decide(workflow.state as TurnState, workflow);
        pools = new Set(verdict.plan.tasks.map((task) => task.pool));
        return held.apply(workflow.id, verdict.plan, { drop: verdict.drop });
      });
      if (applied !== null) announce(ctx, lease.sessionId, applied, pools);
    },
    lease.sessionId,
  );
}

export async function liveWorkflow(held: HeldHead, workflowId: Uuid): Promise<WorkflowRow | null> {
  if (held.head.turnId !== workflowId) return null;
  const workflow = await held.workflow(workflowId);
  return workflow === null || FINAL_STATUSES.has(workflow.status) ? null : workflow;
}

/** Start-to-close time-outs: a tool call is settled as timed out, a reason step counts as a failed attempt. */
export async function endOverdue(ctx: EngineContext): Promise<void> {
  for (const lease of await overdueLeases(ctx.db, SWEEP)) {
    cancelLease(ctx, lease, 'start_to_close');
    if (lease.pool === 'tool') {
      const unsure = lease.effect === 'unsafe' ? ' It may or may not have taken effect.' : '';
      await settleCall(ctx, lease, { status: 'timeout', error: `The call did not end within its time limit.${unsure}` });
    } else {
      await retryOrEnd(ctx, lease, { code: 'start_to_close', message: 'The step did not end within its time limit.' });
    }
  }
}

async function retryOrEnd(ctx: EngineContext, lease: HeldLease, error: { code: string; message: string }): Promise<void> {
  const failures = lease.failures + 1;
  const entry = { ...error, attempt: lease.attempt, at: new Date(ctx.nowMs()).toISOString() };
  const errors = [...(lease.payload.errors ?? []), entry];
  if (failures >= (lease.payload.options.maxAttempts ?? 5)) return endDead(ctx, lease, errors);
  await repeat(ctx, () => requeueLease(ctx.db, { lease, losses: lease.losses, failures, delayMs: 1, errors }));
}

/** Schedule-to-start time-outs: nobody took the task in time. */
export async function endUnstarted(ctx: EngineContext): Promise<void> {
  for (const task of await overdueReady(ctx.db, SWEEP)) {
    if (!(await takeReady(ctx.db, task.taskId))) continue;
    await endUnstartedTask(ctx, task);
  }
}

async function endUnstartedTask(ctx: EngineContext, task: UnstartedTask): Promise<void> {
  const text = 'No worker started the step within its time limit.';
  const errors = [{ code: 'schedule_to_start', message: text, attempt: task.attempt, at: new Date(ctx.nowMs()).toISOString() }];
  const applied = await underHead(ctx.db, { sessionId: task.sessionId, orgId: null }, async (held) => {
    const workflow = await liveWorkflow(held, task.workflowId);
    if (workflow === null) return null;
    const plan = decideDeath(workflow.state as TurnState, openCalls(workflow), text, decideContext(ctx));
    return held.apply(
      workflow.id,
      { ...plan, dead: [{ id: ctx.ids.next(), task: taskOf(task), attempts: task.attempt, errors }] },
      { drop: 'all' },
    );
  });
  if (applied !== null) announce(ctx, task.sessionId, applied, new Set());
}

/** Leases whose instance is gone. Their workers may come back with them within moments, so the caller waits before it sweeps. */
export async function recoverOrphans(ctx: EngineContext): Promise<void> {
  await recoverAll(ctx, await orphanedLeases(ctx.db, SWEEP), 'instance_lost');
}

/** Everything in `timers` that is due. */
export async function fireTimers(ctx: EngineContext): Promise<void> {
  const pools = await moveDueTasks(ctx.db, SWEEP);
  if (pools.length > 0) wake(ctx, pools);
  for (const due of await dueClientDeadlines(ctx.db, SWEEP)) {
    let woken = new Set<'reason' | 'tool'>();
    const applied = await underHead(ctx.db, { sessionId: due.sessionId, orgId: null }, async (held) => {
      await dropTimer(held.tx, due.id);
      const workflow = await liveWorkflow(held, due.workflowId);
      const state = workflow?.state as TurnState | undefined;
      if (workflow?.status !== 'waiting' || state?.iteration !== due.step) return null;
      const plan = decideClientDeadline(state, openClientCalls(workflow), decideContext(ctx));
      woken = new Set(plan.tasks.map((task) => task.pool));
      return held.apply(workflow.id, plan);
    });
    if (applied === null) await dropTimer(ctx.db, due.id);
    else announce(ctx, due.sessionId, applied, woken);
  }
}
