import type { Uuid } from '@everruns/contract';
import type { OpenCall, Plan } from '@everruns/engine';
import type { Faults } from '../faults.ts';
import type { Sql } from '../store/statement.ts';
import type { CallRow, HeadRow, LeaseRow, TimerRow, WorkflowRow } from '../store/tables.ts';
import { applyWrites } from './writes.ts';
import type { Written } from './writes.ts';

/** Lock, then act: three statements of one transaction, each with a snapshot of its own. */

/** LOCK */
export function lockHead(sessionId: Uuid): Sql<HeadRow> {
  return {
    name: 'lock_head',
    *run(s) {
      const head = yield* s.lock(s.tables.heads, sessionId);
      if (head === null) throw new Error('Every session of the simulation is there.');
      return head;
    },
  };
}

/** A workflow as it stands under its session's head: newer than everyone who held the head before. */
export interface HeldWorkflow extends WorkflowRow {
  calls: CallRow[];
  leases: LeaseRow[];
}

/** READ_WORKFLOW: the workflow, and its leases in order, since those may be given back by who holds no head. */
export function workflowUnderHead(id: Uuid, faults: Faults): Sql<HeldWorkflow | null> {
  return {
    name: 'workflow_under_head',
    *run(s) {
      const workflow = yield* s.lock(s.tables.workflows, id);
      if (workflow === null) return null;
      const calls = s.all(s.tables.calls, (call) => call.workflowId === id && call.step === workflow.state.iteration);
      calls.sort((a, b) => a.position - b.position);
      const found = s.all(s.tables.leases, (lease) => lease.workflowId === id).toSorted((a, b) => (a.id < b.id ? -1 : 1));
      if (faults.has('leases_read_unlocked')) return { ...workflow, calls, leases: found };
      const leases: LeaseRow[] = [];
      for (const { id: taskId, token } of found) {
        const lease = yield* s.lock(s.tables.leases, taskId, (row) => row.token === token);
        if (lease !== null) leases.push(lease);
      }
      return { ...workflow, calls, leases };
    },
  };
}

export function openCalls(workflow: HeldWorkflow, side?: 'client'): OpenCall[] {
  return workflow.calls
    .filter((call) => call.state !== 'settled' && (side === undefined || call.side === side))
    .map((call) => ({ callId: call.callId, state: call.state === 'running' ? 'running' : 'pending', plan: call.plan }));
}

export interface ApplyCommand {
  sessionId: Uuid;
  workflowId: Uuid;
  plan: Plan;
  drop: readonly Uuid[] | 'all';
  /** The key of the message in the plan. */
  messageKey: Uuid | null;
}

/**
 * APPLY: the head is held, so nothing is locked first. What was to happen later goes with the turn that ends, and a wait's deadline with the
 * wait.
 */
export function applyPlan(at: ApplyCommand): Sql<Written> {
  const { sessionId, plan, drop, messageKey: key } = at;
  return {
    name: 'apply_plan',
    *run(s) {
      const head = s.get(s.tables.heads, sessionId);
      const workflow = s.get(s.tables.workflows, at.workflowId);
      if (head === null || workflow === null) throw new Error(`Workflow ${at.workflowId} is gone while its session's head is held.`);
      const written = yield* applyWrites(s, { head, workflow, plan, token: null, drop, holder: null, lastSeq: head.lastSeq });
      const isOver = (timer: TimerRow): boolean =>
        timer.workflowId === at.workflowId && (plan.head === 'idle' || (plan.head === 'active' && timer.kind === 'client_deadline'));
      yield* s.deleteAll(s.tables.timers, (timer) => timer.id, isOver);
      const input = written.events.find((event) => event.type === 'input.message');
      if (key !== null && input !== undefined) yield* s.insert(s.tables.keys, `${sessionId}/${key}`, { sessionId, key, seq: input.seq });
      return written;
    },
  };
}
