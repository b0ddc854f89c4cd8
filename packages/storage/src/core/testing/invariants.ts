import { FINAL_STATUSES, fold } from '@everruns/engine';
import type { TurnEvent, TurnState, WorkflowStatus } from '@everruns/engine';
import { isDeepStrictEqual } from 'node:util';
import type { Queryable } from '../../database.ts';
import { sql } from './sql.ts';

/** What must hold of the core's tables when all turns have ended, whatever happened before. Each query finds what must not be. */

const ENDS = `('turn.completed', 'turn.failed', 'turn.cancelled', 'turn.sealed')`;

const QUERIES: Record<string, string> = {
  'sequences are 1.. without gaps, and the head knows the last': `select h.session_id, h.last_seq, e.max, e.count from session_heads h
     left join (select session_id, max(seq) as max, count(*) as count, min(seq) as min from events group by 1) e using (session_id)
     where h.last_seq <> coalesce(e.max, 0) or e.max <> e.count or e.min <> 1`,
  'time does not go back': `select a.session_id, a.seq from events a join events b on b.session_id = a.session_id and b.seq = a.seq + 1 where b.ts < a.ts`,
  'every turn starts once and ends once': `select context->>'turn_id' as turn, count(*) filter (where type = 'turn.started') as starts, count(*) filter (where type in ${ENDS}) as ends
     from events where context->>'turn_id' is not null group by 1
     having count(*) filter (where type = 'turn.started') <> 1 or count(*) filter (where type in ${ENDS}) <> 1`,
  'nothing of a turn comes after its end': `select b.session_id, b.seq, b.type from events a join events b on b.session_id = a.session_id and b.seq > a.seq and b.context->>'turn_id' = a.context->>'turn_id'
     where a.type in ${ENDS} and b.type <> 'session.idled'`,
  'turns of a session do not overlap': `select a.session_id, a.seq from events a where a.type = 'turn.started' and exists (
       select 1 from events s where s.session_id = a.session_id and s.seq < a.seq and s.type = 'turn.started' and not exists (
         select 1 from events e where e.session_id = a.session_id and e.seq < a.seq and e.type in ${ENDS} and e.context->>'turn_id' = s.context->>'turn_id'))`,
  'a turn does not complete without having read every message in it': `select c.session_id, c.seq from events c join lateral (
         select max((g.data->>'messages_through_sequence')::int) as seen from events g
         where g.session_id = c.session_id and g.type = 'llm.generation' and g.context->>'turn_id' = c.context->>'turn_id') g on true
     where c.type = 'turn.completed' and exists (
       select 1 from events i where i.session_id = c.session_id and i.type = 'input.message' and i.seq < c.seq and i.seq > g.seen)`,
  'every call that started a batch is answered once': `select c.workflow_id, c.call_id, count(e.seq) from tool_calls c
     left join events e on e.type = 'tool.completed' and e.data->>'tool_call_id' = c.call_id group by 1, 2 having count(e.seq) <> 1`,
  'no call is left open': `select workflow_id, call_id, state from tool_calls where state <> 'settled'`,
  'act.completed counts the calls of its batch': `select a.session_id, a.seq from events a join events s on s.session_id = a.session_id and s.type = 'act.started' and s.context->>'exec_id' = a.context->>'exec_id'
     where a.type = 'act.completed' and (a.data->>'completed')::boolean
       and (a.data->>'success_count')::int + (a.data->>'error_count')::int <> jsonb_array_length(s.data->'tool_calls')`,
  'every act phase is closed once': `select s.session_id, s.seq, count(a.seq) from events s left join events a on a.session_id = s.session_id and a.type = 'act.completed'
       and a.context->>'exec_id' = s.context->>'exec_id' where s.type = 'act.started' group by 1, 2 having count(a.seq) <> 1`,
  'an ended workflow has no open call': `select id, open_calls from workflows where open_calls <> 0`,
  'nothing is leased': `select task_id, workflow_id from leases`,
  'no task is ready that a claim would start': `select r.id from ready r join session_heads h on h.session_id = r.session_id where h.turn_id = r.workflow_id`,
  'no session is busy': `select session_id, status, turn_id from session_heads where turn_id is not null or status not in ('idle', 'started')`,
  'the usage of a session is the sum of its model calls': `select h.session_id, h.input_tokens, sum((e.data#>>'{usage,input_tokens}')::int) as spent from session_heads h
     join events e on e.session_id = h.session_id and e.type = 'reason.completed' group by 1, 2 having h.input_tokens <> sum((e.data#>>'{usage,input_tokens}')::int)`,
};

/** The rules that are broken, with the first rows that break them; empty when all is well. */
export async function brokenInvariants(db: Queryable): Promise<Record<string, unknown[]>> {
  const broken: Record<string, unknown[]> = {};
  for (const [rule, text] of Object.entries(QUERIES)) {
    const rows = await sql(db, `${text} limit 3`);
    if (rows.length > 0) broken[rule] = rows;
  }
  const unequal = await statesThatAreNoFold(db);
  if (unequal.length > 0) broken['the state of a workflow is the fold of its history'] = unequal.slice(0, 3);
  return broken;
}

interface History extends Record<string, unknown> {
  id: string;
  status: WorkflowStatus;
  state: TurnState;
  history: TurnEvent[];
}

async function statesThatAreNoFold(db: Queryable): Promise<unknown[]> {
  const workflows = await sql<History>(
    db,
    `select w.id, w.status, w.state, (select jsonb_agg(jsonb_build_object('type', e.type, 'data', e.data) order by e.revision, e.n)
       from workflow_events e where e.workflow_id = w.id) as history from workflows w`,
  );
  return workflows.flatMap(({ id, status, state, history }) => {
    const folded = fold(null, history);
    const ended = FINAL_STATUSES.has(status) === (folded.phase === 'ended');
    return isDeepStrictEqual(folded, state) && ended ? [] : [{ id, status, state, folded }];
  });
}
