import type { Pool, Uuid } from '@everruns/contract';
import type { TurnState } from '@everruns/engine';
import type { Faults } from '../faults.ts';
import type { Task } from '../base/task.ts';
import type { Sql, Statement } from '../store/statement.ts';
import { callKey, eventKey } from '../store/tables.ts';
import type { CallRow, EventRow, HeadRow, LeaseRow, TaskRow, WorkerSeat } from '../store/tables.ts';

export interface ClaimCommand {
  pool: Pool;
  seats: readonly WorkerSeat[];
  instanceId: Uuid;
  /** One token per seat. */
  tokens: readonly Uuid[];
}

export interface Claimed {
  lease: LeaseRow;
  /** The workflow as the claim's snapshot had it: it may be older than the lease, and the completion's revision check is what finds out. */
  state: TurnState;
  revision: number;
}

/**
 * CLAIM, without its fairness over organizations: due tasks without waiting, their heads in order, then everything that a start means. Whether
 * the instance is alive is read in the snapshot, not locked.
 */
export function claim(command: ClaimCommand, faults: Faults): Sql<Claimed[]> {
  return {
    name: 'claim_tasks',
    *run(s) {
      const me = s.get(s.tables.instances, command.instanceId);
      if (me === null || me.lost) return [];
      const tasks = lockDue(s, command);
      const heads = yield* lockHeads(s, tasks, faults);
      for (const task of tasks) yield* s.delete(s.tables.ready, task.id);
      const claimed: Claimed[] = [];
      for (const task of tasks) {
        if (heads.get(task.sessionId)?.turnId !== task.workflowId) continue; // its turn has ended: dropped
        const seat = command.seats[claimed.length] as WorkerSeat;
        const lease = leaseRow(s, { task, seat, token: command.tokens[claimed.length] as Uuid }, command.instanceId);
        yield* start(s, lease);
        const workflow = s.get(s.tables.workflows, task.workflowId);
        if (workflow === null) throw new Error(`Task ${task.id} has no workflow.`);
        claimed.push({ lease, state: workflow.state, revision: workflow.revision });
      }
      return claimed;
    },
  };
}

/** `order by priority desc, id .. for update skip locked limit n`: rows that are locked do not count. */
function lockDue(s: Statement, command: ClaimCommand): TaskRow[] {
  const due = s.all(s.tables.ready, (task) => task.pool === command.pool);
  due.sort((a, b) => b.priority - a.priority || (a.id < b.id ? -1 : 1));
  const locked: TaskRow[] = [];
  for (const task of due) {
    if (locked.length >= command.seats.length) break;
    const row = s.tryLock(s.tables.ready, task.id);
    if (row !== null) locked.push(row);
  }
  return locked;
}

function* lockHeads(s: Statement, tasks: readonly TaskRow[], faults: Faults): Task<Map<Uuid, HeadRow>> {
  const heads = new Map<Uuid, HeadRow>();
  for (const sessionId of [...new Set(tasks.map((task) => task.sessionId))].toSorted()) {
    const unlocked = faults.has('claim_without_heads');
    const head = unlocked ? s.get(s.tables.heads, sessionId) : yield* s.lock(s.tables.heads, sessionId);
    if (head !== null) heads.set(sessionId, head);
  }
  return heads;
}

function leaseRow(s: Statement, at: { task: TaskRow; seat: WorkerSeat; token: Uuid }, instanceId: Uuid): LeaseRow {
  const { task, seat, token } = at;
  return {
    ...task,
    attempt: task.attempt + 1,
    token,
    grantedBy: null,
    instanceId,
    ...seat,
    startedMs: s.nowMs(),
    deadlineMs: s.nowMs() + task.payload.options.startToCloseMs,
    appended: 0,
  };
}

/** The start event, the call that is running now, the lease. */
function* start(s: Statement, lease: LeaseRow): Task<void> {
  let seq = 0;
  yield* s.update(s.tables.heads, lease.sessionId, (head) => {
    seq = head.lastSeq + 1;
    return { ...head, lastSeq: seq };
  });
  const { type, data } = lease.attempt === 1 ? lease.payload.start : lease.payload.restart;
  const event: EventRow = { sessionId: lease.sessionId, seq, type, turnId: lease.workflowId, data: { ...data, attempt: lease.attempt } };
  yield* s.insert(s.tables.events, eventKey(event), event);
  if (lease.callId !== null) {
    yield* s.update(
      s.tables.calls,
      callKey({ workflowId: lease.workflowId, step: lease.step, callId: lease.callId }),
      (call): CallRow => ({ ...call, state: 'running' }),
      (call) => call.state !== 'settled',
    );
  }
  yield* s.insert(s.tables.leases, lease.id, lease);
}
