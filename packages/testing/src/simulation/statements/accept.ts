import type { Uuid } from '@everruns/contract';
import type { EventDraft, TaskDraft, TurnState } from '@everruns/engine';
import type { Faults } from '../faults.ts';
import type { Task } from '../base/task.ts';
import { reading } from '../store/statement.ts';
import type { Sql, Statement } from '../store/statement.ts';
import { eventKey } from '../store/tables.ts';
import type { EventRow, HeadRow, LeaseRow, WorkerSeat } from '../store/tables.ts';
import { readyRow } from './writes.ts';

export interface AcceptCommand {
  sessionId: Uuid;
  /** What the message is known by when it comes again; null is a planted fault. */
  key: Uuid | null;
  turnId: Uuid;
  events: EventDraft[];
  state: TurnState;
  task: TaskDraft;
  /** A free seat for the turn's first task. */
  seat?: OfferedSeat;
}

export interface OfferedSeat extends WorkerSeat {
  instanceId: Uuid;
  token: Uuid;
  /** Free seats of this instance's workers in the task's pool, this one included. */
  freeSeats: number;
}

export type AcceptResult =
  /** `task` is the turn's first task, leased to the offered seat; null when it went to the queue. */
  { verdict: 'started'; task: LeaseRow | null } | { verdict: 'steered' | 'waiting' };

/** ACCEPT, plain and seated: locks the head, and decides whether a turn runs on nothing else. */
export function accept(command: AcceptCommand, faults: Faults): Sql<AcceptResult> {
  return {
    name: 'accept_message',
    *run(s) {
      const head = yield* s.lock(s.tables.heads, command.sessionId);
      if (head === null) throw new Error('Every session of the simulation is there.');
      if (head.status === 'waiting_for_tool_results') return { verdict: 'waiting' };
      const running = faults.has('accept_reads_workflows') ? runningBySnapshot(s, command.sessionId) : head.turnId;
      const fresh = running === null;
      const turnId = running ?? command.turnId;
      const lastSeq = faults.has('sequence_by_max') ? maxSequence(s, command.sessionId) : head.lastSeq;
      if (command.key !== null) {
        const row = { sessionId: command.sessionId, key: command.key, seq: lastSeq + 1 };
        yield* s.insert(s.tables.keys, `${row.sessionId}/${row.key}`, row);
      }
      const drafts = fresh ? command.events : command.events.slice(0, 1);
      const events = drafts.map(({ type, data }, n): EventRow => ({
        sessionId: command.sessionId,
        seq: lastSeq + n + 1,
        type,
        turnId,
        data,
      }));
      const granted = fresh ? grantedLease(s, command) : null;
      if (granted !== null) events.push(startOf(granted, lastSeq + events.length + 1));
      for (const event of events) yield* s.insert(s.tables.events, eventKey(event), event);
      yield* s.update(s.tables.heads, command.sessionId, (row): HeadRow => {
        return { ...row, lastSeq: lastSeq + events.length, lastInputSeq: lastSeq + 1, turnId, status: 'active' };
      });
      if (!fresh) return { verdict: 'steered' };
      yield* startTurn(s, command, granted);
      return { verdict: 'started', task: granted };
    },
  };
}

/** SEAT: taken while more seats are free than tasks wait, as far as the snapshot shows. */
function grantedLease(s: Statement, { seat: offered, task, turnId: id, sessionId }: AcceptCommand): LeaseRow | null {
  if (offered === undefined || s.get(s.tables.instances, offered.instanceId)?.lost !== false) return null;
  if (s.all(s.tables.ready, (row) => row.pool === task.pool).length >= offered.freeSeats) return null;
  const { freeSeats: _freeSeats, ...seat } = offered;
  const row = readyRow(s, { id, sessionId }, task);
  const deadlineMs = s.nowMs() + task.payload.options.startToCloseMs;
  return { ...row, ...seat, attempt: 1, grantedBy: null, startedMs: s.nowMs(), deadlineMs, appended: 0 };
}

function startOf(lease: LeaseRow, seq: number): EventRow {
  const { type, data } = lease.payload.start;
  return { sessionId: lease.sessionId, seq, type, turnId: lease.workflowId, data: { ...data, attempt: 1 } };
}

function* startTurn(s: Statement, command: AcceptCommand, granted: LeaseRow | null): Task<void> {
  const { turnId: id, sessionId, state } = command;
  yield* s.insert(s.tables.workflows, id, { id, sessionId, status: 'running', state, revision: 1, openCalls: 0 });
  const event = { type: 'turn_started', data: state } as const;
  yield* s.insert(s.tables.history, `${id}/1/0`, { workflowId: id, revision: 1, n: 0, event });
  if (granted !== null) yield* s.insert(s.tables.leases, granted.id, granted);
  else yield* s.insert(s.tables.ready, command.task.id, readyRow(s, { id, sessionId }, command.task));
}

/** The planted fault: true when the statement began, and perhaps not any more. */
function runningBySnapshot(s: Statement, sessionId: Uuid): Uuid | null {
  const [running] = s.all(
    s.tables.workflows,
    (row) => row.sessionId === sessionId && (row.status === 'running' || row.status === 'waiting'),
  );
  return running?.id ?? null;
}

export function maxSequence(s: Statement, sessionId: Uuid): number {
  return s.all(s.tables.events, (event) => event.sessionId === sessionId).reduce((max, event) => Math.max(max, event.seq), 0);
}

/** FIND_BY_KEY: the message under a key, and whether it started a turn. */
export function findMessageByKey(at: { sessionId: Uuid; key: Uuid | null }): Sql<{ event: EventRow; started: boolean } | null> {
  return reading('message_by_key', (s) => {
    const found = s.get(s.tables.keys, `${at.sessionId}/${at.key}`);
    const event = found === null ? null : s.get(s.tables.events, eventKey(found));
    if (found === null || event === null) return null;
    return { event, started: s.get(s.tables.events, eventKey({ ...found, seq: found.seq + 1 }))?.type === 'turn.started' };
  });
}

export function messageIdOf(event: EventRow): string | null {
  return event.type === 'input.message' ? (event.data['message'] as { id: string }).id : null;
}
