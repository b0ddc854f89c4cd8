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
  key: Uuid | null;
  turnId: Uuid;
  events: EventDraft[];
  state: TurnState;
  task: TaskDraft;
  /** A free seat for the turn's first task, and how many are free beside it. */
  offer: (WorkerSeat & { instanceId: Uuid; token: Uuid; freeSeats: number }) | null;
}

export type AcceptResult = { verdict: 'started'; granted: LeaseRow | null } | { verdict: 'steered' | 'waiting' };

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
      return { verdict: 'started', granted };
    },
  };
}

/** SEAT: taken while more seats are free than tasks wait, as far as the snapshot shows. */
function grantedLease(s: Statement, { offer, task, turnId: id, sessionId }: AcceptCommand): LeaseRow | null {
  if (offer === null || s.get(s.tables.instances, offer.instanceId)?.lost !== false) return null;
  if (s.all(s.tables.ready, (row) => row.pool === task.pool).length >= offer.freeSeats) return null;
  const { freeSeats: _freeSeats, ...seat } = offer;
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

/** FIND_RECENT: was this message stored? */
export function findMessage(at: { sessionId: Uuid; messageId: string }): Sql<EventRow | null> {
  return reading('message_by_id_recent', (s) => {
    const [found] = s.all(s.tables.events, (event) => event.sessionId === at.sessionId && messageIdOf(event) === at.messageId);
    return found ?? null;
  });
}

export function messageIdOf(event: EventRow): string | null {
  return event.type === 'input.message' ? (event.data['message'] as { id: string }).id : null;
}
