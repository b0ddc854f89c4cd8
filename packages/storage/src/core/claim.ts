import type { DurableEvent, EventContext, Pool, Uuid } from '@everruns/contract';
import type { CallEffect, TaskPayload } from '@everruns/engine';
import type { Queryable, Statement } from '../database.ts';
import { writtenEvents } from './written.ts';
import type { WrittenRow } from './written.ts';

/** Most organizations that share a claim, and most that are looked at to find them: those at their cap are passed over. */
const SHARING = 16;
const WALKED = 64;

/** One step of the walk: the next organization with ready tasks, and whether it is below its cap. */
const step = (beyond: string) => `
   (select r.org_id from ready r where r.pool = $1 and ${beyond} order by r.org_id limit 1) r,
   lateral (select (count(*) < $6::int)::int as open from (select 1 from leases l where l.org_id = r.org_id limit $6::int) b) o`;

/**
 * Claims due tasks and starts them in one statement (core.md W3): no wait on ready rows, heads locked in id order, tasks of ended turns
 * dropped, the start event written, the call marked running, the lease inserted. Fair by a bounded skip scan from the caller's cursor
 * (R12): each organization gets an equal share, what is left is filled up from the same ones in global order. Ids travel as arrays
 * (\`= any(array(..))\`), so that a generic plan, which does not know how few they are, looks each of them up (R2).
 */
const CLAIM: Statement = {
  name: 'claim_tasks',
  text: `with recursive walk(org_id, n, open, opened) as (
   select r.org_id, 1, o.open, o.open from ${step('r.org_id > $3::uuid')}
   union all
   select r.org_id, k.n + 1, o.open, k.opened + o.open from walk k, lateral ${step('r.org_id > k.org_id')}
   where k.n < ${WALKED} and k.opened < ${SHARING}),
 wrap(org_id, n, open, opened) as (
   select r.org_id, 1, o.open, o.open from ${step('r.org_id <= $3::uuid')} where (select coalesce(max(opened), 0) from walk) < ${SHARING}
   union all
   select r.org_id, k.n + 1, o.open, k.opened + o.open from wrap k, lateral ${step('r.org_id > k.org_id and r.org_id <= $3::uuid')}
   where k.n < ${WALKED} and k.opened < ${SHARING}),
 walked as materialized (
   select org_id, 0 as part, n, open from walk union all select org_id, 1, n, open from wrap),
 orgs as materialized (
   select org_id, row_number() over (order by part, n) as rank from walked where open = 1 order by rank limit ${SHARING}),
 share as materialized (select greatest(1, ceil($2::numeric / greatest(1, count(*))))::int as k from orgs),
 alive as materialized (select 1 from instances where id = $4 and lost_at is null),
 fair as materialized (
   select f.id, f.session_id, o.rank from alive, (select org_id, rank from orgs order by rank) o, lateral (
     select r.id, r.session_id from ready r where r.pool = $1 and r.org_id = o.org_id
     order by r.priority desc, r.id limit (select k from share) for update skip locked) f
   limit $2),
 missing as materialized (
   select greatest(0, $2 - (select count(*) from fair)) as n from alive where (select count(*) from orgs) > 1),
 rest as materialized (
   select r.id, r.session_id, 0::bigint as rank from ready r where r.id = any(array(
     select m.id from orgs o, lateral (
       select r.id, r.priority from ready r where r.pool = $1 and r.org_id = o.org_id and r.id <> all(array(select id from fair))
       order by r.priority desc, r.id limit (select n from missing)) m
     where (select n from missing) > 0
     order by m.priority desc, m.id limit (select n from missing)))
   for update skip locked),
 c as materialized (select id, session_id, rank from fair union all select id, session_id, rank from rest),
 h as materialized (
   select s.session_id, s.turn_id, s.last_seq, s.last_ts from session_heads s where s.session_id = any(array(select session_id from c))
   order by s.session_id for update),
 d as (
   delete from ready r where r.id = any(array(select id from c))
   returning r.id, r.org_id, r.session_id, r.workflow_id, r.pool, r.priority, r.attempt, r.losses, r.failures, r.step, r.call_id, r.effect, r.payload, r.checkpoint),
 v as materialized (
   select d.id, d.org_id, d.session_id, d.workflow_id, d.pool, d.priority, d.attempt + 1 as attempt, d.losses, d.failures, d.step, d.call_id, d.effect,
     d.payload, d.checkpoint, gen_random_uuid() as token, coalesce(h.turn_id = d.workflow_id, false) as live, c.rank,
     h.last_seq + sum(coalesce(h.turn_id = d.workflow_id, false)::int) over (partition by d.session_id order by d.id) as seq,
     greatest(engine_now(), h.last_ts) as ts
   from d join c on c.id = d.id left join h on h.session_id = d.session_id),
 x as materialized (
   select v.id as task_id, v.session_id, v.seq, event_id(v.ts, v.session_id, v.seq::int, (random() * 536870911)::int) as event_id, v.ts,
     case when v.attempt = 1 then v.payload#>>'{start,type}' else v.payload#>>'{restart,type}' end as type, v.payload->'context' as context,
     (case when v.attempt = 1 then v.payload#>'{start,data}' else v.payload#>'{restart,data}' end) || jsonb_build_object('attempt', v.attempt) as data
   from v where v.live),
 s as (
   update session_heads y set last_seq = n.last, last_ts = n.ts from (select session_id, max(seq) as last, max(ts) as ts from v where live group by session_id) n
   where y.session_id = n.session_id and y.session_id = any(array(select session_id from c))),
 e as (insert into events (session_id, seq, id, type, ts, context, data) select session_id, seq, event_id, type, ts, context, data from x),
 t as (
   update tool_calls t set state = 'running', attempt = v.attempt, token = v.token from v
   where v.live and v.call_id is not null and t.workflow_id = v.workflow_id and t.step = v.step and t.call_id = v.call_id and t.state <> 'settled'
     and t.workflow_id = any(array(select workflow_id from v where live and call_id is not null))),
 p as materialized (
   select q.id, a.worker_id, a.boot_id, a.attachment from (select id, row_number() over (order by priority desc, id) as place from v where live) q
   join jsonb_to_recordset($5::jsonb) as a(place int, worker_id text, boot_id uuid, attachment uuid) on a.place = q.place),
 l as (
   insert into leases (task_id, token, org_id, session_id, workflow_id, pool, priority, attempt, losses, failures, step, call_id, effect, instance_id, worker_id,
     boot_id, attachment, started_at, deadline, payload, checkpoint)
   select v.id, v.token, v.org_id, v.session_id, v.workflow_id, v.pool, v.priority, v.attempt, v.losses, v.failures, v.step, v.call_id, v.effect, $4, p.worker_id,
     p.boot_id, p.attachment, engine_now(), engine_now() + (v.payload#>>'{options,startToCloseMs}')::int * interval '1 millisecond', v.payload, v.checkpoint
   from v join p on p.id = v.id)
 select m.more, v.id, v.token, v.org_id, v.session_id, v.workflow_id, v.pool, v.attempt, v.losses, v.failures, v.step, v.call_id, v.effect, v.payload, v.checkpoint,
   w.state, w.revision, w.version, p.worker_id, p.attachment, x.seq, x.event_id, x.ts, x.type, x.context, x.data
 from (select (select count(*) from orgs) = ${SHARING} or exists (select 1 from walked where open = 0) as more) m
   left join (v join workflows w on w.id = v.workflow_id and w.id = any(array(select workflow_id from v where live))
     join x on x.task_id = v.id join p on p.id = v.id) on true
 order by v.rank`,
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

export interface ClaimBatch {
  /** In the order of the walk over organizations: the last one's is the cursor of the next claim. */
  tasks: ClaimedTask[];
  /** Tasks may be ready although a seat was left: of organizations at their cap, or beyond those that were looked at. */
  more: boolean;
}

interface ClaimRow extends WrittenRow {
  more: boolean;
  id: Uuid | null;
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
  return (await claimBatch(db, command)).tasks;
}

export async function claimBatch(db: Queryable, command: ClaimCommand): Promise<ClaimBatch> {
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
  const claimed = rows.flatMap((row) => (row.id === null ? [] : [{ ...row, id: row.id }]));
  return { more: rows[0]?.more === true, tasks: claimed.map(toTask) };
}

function toTask(row: ClaimRow & { id: Uuid }): ClaimedTask {
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
}
