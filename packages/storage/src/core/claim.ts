import type { DurableEvent, EventContext, Pool, Uuid } from '@everruns/contract';
import type { CallEffect, TaskPayload } from '@everruns/engine';
import type { Queryable, Statement } from '../database.ts';
import { writtenEvents } from './written.ts';
import type { WrittenRow } from './written.ts';

/**
 * Claims due tasks and starts them in one statement (core.md W3): no wait on ready rows, heads locked in id order, tasks of ended turns
 * dropped, the start event written, the call marked running, the lease inserted. Fair by a bounded skip scan over at most 16
 * organizations from the caller's cursor (R12): each gets an equal share, those at their cap are passed over, what is left is filled
 * up in global order.
 */
const CLAIM: Statement = {
  name: 'claim_tasks',
  text: `with recursive walk(org_id, n) as (
   (select r.org_id, 1 from ready r where r.pool = $1 and r.org_id > $3::uuid order by r.org_id limit 1)
   union all
   select (select r.org_id from ready r where r.pool = $1 and r.org_id > k.org_id order by r.org_id limit 1), k.n + 1
   from walk k where k.org_id is not null and k.n < 16),
 wrap(org_id, n) as (
   (select r.org_id, 1 from ready r where r.pool = $1 and r.org_id <= $3::uuid order by r.org_id limit 1)
   union all
   select (select r.org_id from ready r where r.pool = $1 and r.org_id > k.org_id and r.org_id <= $3::uuid order by r.org_id limit 1), k.n + 1
   from wrap k where k.org_id is not null and k.n < 16),
 orgs as materialized (
   select o.org_id, row_number() over (order by o.part, o.n) as rank from (
     select org_id, n, 0 as part from walk where org_id is not null
     union all select org_id, n, 1 from wrap where org_id is not null and (select count(*) from walk where org_id is not null) < 16) o
   where (select count(*) from (select 1 from leases l where l.org_id = o.org_id limit $6::int) b) < $6::int
   limit 16),
 share as materialized (select greatest(1, ceil($2::numeric / greatest(1, count(*))))::int as k from orgs),
 alive as materialized (select 1 from instances where id = $4 and lost_at is null),
 fair as materialized (
   select f.id, f.session_id, f.org_id, o.rank from alive, orgs o, lateral (
     select r.id, r.session_id, r.org_id from ready r where r.pool = $1 and r.org_id = o.org_id
     order by r.priority desc, r.id limit (select k from share) for update skip locked) f
   order by o.rank limit $2),
 rest as materialized (
   select r.id, r.session_id, r.org_id, 0::bigint as rank from ready r
   where r.pool = $1 and exists (select 1 from alive) and (select count(*) from fair) < $2 and (select count(*) from orgs) > 1
     and r.id not in (select id from fair) and r.org_id in (select org_id from orgs)
   order by r.priority desc, r.id limit greatest(0, $2 - (select count(*) from fair)) for update skip locked),
 c as materialized (select id, session_id, org_id, rank from fair union all select id, session_id, org_id, rank from rest),
 h as materialized (
   select s.session_id, s.turn_id, s.last_seq, s.last_ts from session_heads s where s.session_id in (select session_id from c) order by s.session_id for update),
 d as (
   delete from ready r using c where r.id = c.id
   returning r.id, r.org_id, r.session_id, r.workflow_id, r.pool, r.priority, r.attempt, r.losses, r.failures, r.step, r.call_id, r.effect, r.payload, r.checkpoint),
 v as materialized (
   select d.id, d.org_id, d.session_id, d.workflow_id, d.pool, d.priority, d.attempt + 1 as attempt, d.losses, d.failures, d.step, d.call_id, d.effect,
     d.payload, d.checkpoint, gen_random_uuid() as token, coalesce(h.turn_id = d.workflow_id, false) as live,
     h.last_seq + sum(coalesce(h.turn_id = d.workflow_id, false)::int) over (partition by d.session_id order by d.id) as seq,
     greatest(engine_now(), h.last_ts) as ts
   from d left join h on h.session_id = d.session_id),
 x as materialized (
   select v.id as task_id, v.session_id, v.seq, event_id(v.ts, v.session_id, v.seq::int, (random() * 536870911)::int) as event_id, v.ts,
     case when v.attempt = 1 then v.payload#>>'{start,type}' else v.payload#>>'{restart,type}' end as type, v.payload->'context' as context,
     (case when v.attempt = 1 then v.payload#>'{start,data}' else v.payload#>'{restart,data}' end) || jsonb_build_object('attempt', v.attempt) as data
   from v where v.live),
 s as (
   update session_heads y set last_seq = n.last, last_ts = n.ts from (select session_id, max(seq) as last, max(ts) as ts from v where live group by session_id) n
   where y.session_id = n.session_id),
 e as (insert into events (session_id, seq, id, type, ts, context, data) select session_id, seq, event_id, type, ts, context, data from x),
 t as (
   update tool_calls t set state = 'running', attempt = v.attempt, token = v.token from v
   where v.live and v.call_id is not null and t.workflow_id = v.workflow_id and t.step = v.step and t.call_id = v.call_id and t.state <> 'settled'),
 p as materialized (
   select q.id, a.worker_id, a.boot_id, a.attachment from (select id, row_number() over (order by priority desc, id) as place from v where live) q
   join jsonb_to_recordset($5::jsonb) as a(place int, worker_id text, boot_id uuid, attachment uuid) on a.place = q.place),
 l as (
   insert into leases (task_id, token, org_id, session_id, workflow_id, pool, priority, attempt, losses, failures, step, call_id, effect, instance_id, worker_id,
     boot_id, attachment, started_at, deadline, payload, checkpoint)
   select v.id, v.token, v.org_id, v.session_id, v.workflow_id, v.pool, v.priority, v.attempt, v.losses, v.failures, v.step, v.call_id, v.effect, $4, p.worker_id,
     p.boot_id, p.attachment, engine_now(), engine_now() + (v.payload#>>'{options,startToCloseMs}')::int * interval '1 millisecond', v.payload, v.checkpoint
   from v join p on p.id = v.id)
 select v.id, v.token, v.org_id, v.session_id, v.workflow_id, v.pool, v.attempt, v.losses, v.failures, v.step, v.call_id, v.effect, v.payload, v.checkpoint,
   w.state, w.revision, w.version, p.worker_id, p.attachment, x.seq, x.event_id, x.ts, x.type, x.context, x.data
 from v join workflows w on w.id = v.workflow_id join x on x.task_id = v.id join p on p.id = v.id`,
};

export interface Seat {
  workerId: string;
  bootId: Uuid;
  attachment: Uuid;
}

export interface ClaimCommand {
  pool: Pool;
  /** One seat per task that may be claimed; they are filled in order of priority. */
  seats: readonly Seat[];
  instanceId: Uuid;
  /** Round-robin cursor over organizations: the walk starts after this one. */
  afterOrg: Uuid;
  /** Most leases that one organization may hold at a time. */
  orgCap: number;
}

/** A leased task with the state that its completion will be decided on. */
export interface ClaimedTask {
  taskId: Uuid;
  token: Uuid;
  orgId: Uuid;
  sessionId: Uuid;
  workflowId: Uuid;
  pool: Pool;
  attempt: number;
  losses: number;
  failures: number;
  step: number;
  callId: string | null;
  effect: CallEffect | null;
  payload: TaskPayload;
  checkpoint: unknown;
  state: unknown;
  revision: number;
  version: number;
  seat: Pick<Seat, 'workerId' | 'attachment'>;
  /** The start event that the claim wrote. */
  started: DurableEvent;
}

interface ClaimRow extends WrittenRow {
  id: Uuid;
  token: Uuid;
  org_id: Uuid;
  session_id: Uuid;
  workflow_id: Uuid;
  pool: Pool;
  attempt: number;
  losses: number;
  failures: number;
  step: number;
  call_id: string | null;
  effect: CallEffect | null;
  payload: TaskPayload;
  checkpoint: unknown;
  state: unknown;
  revision: number;
  version: number;
  worker_id: string;
  attachment: Uuid;
  context: EventContext;
}

export async function claimTasks(db: Queryable, command: ClaimCommand): Promise<ClaimedTask[]> {
  const seats = command.seats.map((seat, index) => {
    return { place: index + 1, worker_id: seat.workerId, boot_id: seat.bootId, attachment: seat.attachment };
  });
  const rows = await db.run<ClaimRow>(CLAIM, [
    command.pool,
    seats.length,
    command.afterOrg,
    command.instanceId,
    JSON.stringify(seats),
    command.orgCap,
  ]);
  return rows.map((row) => {
    return {
      taskId: row.id,
      token: row.token,
      orgId: row.org_id,
      sessionId: row.session_id,
      workflowId: row.workflow_id,
      pool: row.pool,
      attempt: row.attempt,
      losses: row.losses,
      failures: row.failures,
      step: row.step,
      callId: row.call_id,
      effect: row.effect,
      payload: row.payload,
      checkpoint: row.checkpoint,
      state: row.state,
      revision: row.revision,
      version: row.version,
      seat: { workerId: row.worker_id, attachment: row.attachment },
      started: writtenEvents(row.session_id, [row])[0] as DurableEvent,
    };
  });
}
