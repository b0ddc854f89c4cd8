import type { PlannedCall, Uuid } from '@everruns/contract';
import type { EventDraft } from '@everruns/engine';
import { reading } from '../store/statement.ts';
import type { Sql } from '../store/statement.ts';
import { eventKey } from '../store/tables.ts';
import type { EventRow } from '../store/tables.ts';

/** What a running step reads and writes under its lease. */

/** READ of the prompt: the inputs that this snapshot shows are the ones that the model sees. */
export function promptSeen(sessionId: Uuid): Sql<number> {
  return reading('prompt_messages', (s) => {
    const inputs = s.all(s.tables.events, (event) => event.sessionId === sessionId && event.type === 'input.message');
    return inputs.reduce((max, event) => Math.max(max, event.seq), 0);
  });
}

/** STEP_CALLS */
export function callsOfStep(at: { workflowId: Uuid; step: number }): Sql<ReadonlyMap<string, PlannedCall>> {
  return reading('calls_of_step', (s) => {
    const calls = s.all(s.tables.calls, (call) => call.workflowId === at.workflowId && call.step === at.step);
    return new Map(calls.map((call) => [call.callId, call.plan]));
  });
}

export interface AppendCommand {
  sessionId: Uuid;
  taskId: Uuid;
  token: Uuid;
  n: number;
  events: EventDraft[];
}

/** APPEND: head, lease, then the events of a step that goes on. */
export function append(command: AppendCommand): Sql<'ok' | 'repeated' | 'lost' | 'ended'> {
  return {
    name: 'append_in_step',
    *run(s) {
      const head = yield* s.lock(s.tables.heads, command.sessionId);
      if (head === null) throw new Error('Every session of the simulation is there.');
      const lease = yield* s.lock(s.tables.leases, command.taskId, (row) => row.token === command.token);
      if (lease === null) return 'lost';
      if (head.turnId !== lease.workflowId) return 'ended';
      if (lease.appended >= command.n) return 'repeated';
      for (const [n, { type, data }] of command.events.entries()) {
        const event: EventRow = { sessionId: head.sessionId, seq: head.lastSeq + n + 1, type, turnId: lease.workflowId, data };
        yield* s.insert(s.tables.events, eventKey(event), event);
      }
      yield* s.update(s.tables.heads, head.sessionId, (row) => ({ ...row, lastSeq: row.lastSeq + command.events.length }));
      yield* s.update(s.tables.leases, lease.id, (row) => ({ ...row, appended: command.n }));
      return 'ok';
    },
  };
}

const REASON_STARTS: ReadonlySet<string> = new Set(['reason.started', 'reason.recovered']);

/** LAST_REASON: where the last reason step started; what came in after it may be in nobody's prompt. */
export function lastReasonStart(sessionId: Uuid): Sql<number> {
  return reading('last_reason_start', (s) => {
    const starts = s.all(s.tables.events, (event) => event.sessionId === sessionId && REASON_STARTS.has(event.type));
    return starts.reduce((max, event) => Math.max(max, event.seq), 0);
  });
}
