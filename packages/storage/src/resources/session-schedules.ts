import type { DurableEvent, Uuid } from '@everruns/contract';
import { fenced, fenceValues, LeaseLostError, onceFenced, onceValues, OWN_LEASE, REMEMBERED, remembering } from '../core/fence.ts';
import type { WriterLease } from '../core/fence.ts';
import { writtenEvents } from '../core/written.ts';
import type { WrittenRow } from '../core/written.ts';
import type { Database, Queryable, Row, Statement } from '../database.ts';
import { storableJson } from '../json.ts';
import { lockLimit } from '../limits.ts';

/** Messages that a session gets at a time. The session's head is locked by every write, so that one firing and one change follow each other. */

export interface ScheduleRow extends Row {
  id: Uuid;
  session_id: Uuid;
  org_id: Uuid;
  message: string;
  /** Five fields; null for one that fires once. */
  cron: string | null;
  timezone: string;
  enabled: boolean;
  next_at: Date | null;
  triggered: number;
  last_triggered_at: Date | null;
  /** The tool call that it makes, as its maker has stored it; null for one that sends its message. */
  probe: unknown;
  /** How often it makes it still; null for one that sends its message. */
  runs_left: number | null;
  created_at: Date;
  updated_at: Date;
}

const COLUMNS =
  'id, session_id, org_id, message, cron, timezone, enabled, next_at, triggered, last_triggered_at, probe, runs_left, created_at, updated_at';

/** First, in a statement of its own: what is counted under the lock is seen by the next one's snapshot only. */
const LOCK: Statement = {
  name: 'schedule_lock_head',
  text: 'select session_id from session_heads where session_id = $1 and org_id = $2 for update',
};

/** Most that a session keeps of those that are over, deleted ones with them. */
const KEPT = 100;

const CREATE: Statement = {
  name: 'schedule_create',
  text: `with h as materialized (select session_id, org_id from session_heads where session_id = $1 and org_id = $2),
 fence as materialized (
   select 1 from h join leases l on l.task_id = $8::uuid and l.token = $9::uuid and ${OWN_LEASE} for share of l),
 n as materialized (
   select (select count(*) from session_schedules s where s.session_id = $1 and s.enabled and s.next_at is not null and s.id <> $3) as session,
     (select count(*) from (select 1 from session_schedules s where s.org_id = $2 and s.enabled and s.next_at is not null and s.id <> $3 limit $11::int) o) as org),
 w as (
   insert into session_schedules (id, session_id, org_id, message, cron, timezone, next_at, probe, runs_left)
   select $3, h.session_id, h.org_id, $4, $5, $6, $7::timestamptz, $12::jsonb, $13::int from h, n where ${fenced('$8')} and n.session < $10::int and n.org < $11::int
   on conflict (id) do nothing returning ${COLUMNS}),
 gone as (
   delete from session_schedules s using w where s.id = any(array(
     select o.id from session_schedules o where o.session_id = $1 and o.next_at is null order by o.created_at desc, o.id desc offset ${KEPT})))
 select ${fenced('$8')} as standing, n.session < $10::int as session_room, n.org < $11::int as org_room from h, n`,
};

const LIST: Statement = {
  name: 'schedule_list',
  text: `select ${COLUMNS} from session_schedules where session_id = $1 and org_id = $2 and deleted_at is null order by created_at, id`,
};

const FIND: Statement = {
  name: 'schedule_find',
  text: `select ${COLUMNS} from session_schedules where session_id = $1 and org_id = $2 and id = $3 and (deleted_at is null or $4::boolean)`,
};

const DELETE: Statement = {
  name: 'schedule_delete',
  text: `with h as materialized (select session_id from session_heads where session_id = $1 and org_id = $2 for update),
 fence as materialized (
   select l.task_id, coalesce(l.file_batch = $6::uuid, false) as repeated, l.batch_answer
   from h join leases l on l.task_id = $4::uuid and l.token = $5::uuid and ${OWN_LEASE} for update of l),
 w as (
   update session_schedules s set deleted_at = clock_timestamp(), enabled = false, next_at = null from h
   where s.session_id = h.session_id and s.id = $3 and s.deleted_at is null and ${onceFenced('$4')} returning s.id),
 ${remembering('$6', `jsonb_build_object('deleted', exists (select 1 from w))`)}
 select ${fenced('$4')} as standing, exists (select 1 from w) as deleted, ${REMEMBERED} as before from h`,
};

const ENABLE: Statement = {
  name: 'schedule_enable',
  text: `with h as materialized (select session_id from session_heads where session_id = $1 and org_id = $2),
 n as materialized (
   select (select count(*) from h join session_schedules s on s.session_id = h.session_id where s.enabled and s.next_at is not null and s.id <> $3) as session,
     (select count(*) from (select 1 from session_schedules s where s.org_id = $2 and s.enabled and s.next_at is not null and s.id <> $3 limit $7::int) o) as org),
 w as (
   update session_schedules s set enabled = $4, next_at = coalesce($5::timestamptz, s.next_at), updated_at = clock_timestamp() from h, n
   where s.session_id = h.session_id and s.id = $3 and s.deleted_at is null and (not $4 or (n.session < $6::int and n.org < $7::int)) returning s.id)
 select exists (select 1 from w) as changed, n.session < $6::int as session_room, n.org < $7::int as org_room from n`,
};

/** Those of sessions that are gone have no head, and wait for the purge. */
const DUE: Statement = {
  name: 'schedules_due',
  text: `select s.id, s.session_id, s.org_id, s.message, s.cron, s.timezone, s.enabled, s.next_at, s.triggered, s.last_triggered_at, s.probe, s.runs_left, s.created_at, s.updated_at,
      c.now, (select h.session_id from session_heads h where h.session_id = s.session_id limit 1) is not null as alive
    from (select engine_now() as now) c, session_schedules s
    where s.enabled and s.next_at is not null and s.next_at <= (select engine_now()) order by s.next_at limit $1`,
};

/** Moves a schedule on from one due time, with its event; nothing when somebody else has, or when it was changed. */
const ADVANCE: Statement = {
  name: 'schedule_advance',
  text: `with h as materialized (select session_id, last_seq, last_ts from session_heads where session_id = $1 for update),
 s as materialized (
   select s.id, s.message, s.triggered from h join session_schedules s on s.session_id = h.session_id and s.id = $2
   where date_trunc('milliseconds', s.next_at) is not distinct from $3::timestamptz for update of s),
 ok as materialized (
   select h.session_id, h.last_seq + 1 as seq, greatest(engine_now(), h.last_ts) as ts, s.id as schedule_id, s.message, s.triggered from h, s),
 u as (
   update session_schedules y set next_at = $4::timestamptz, runs_left = coalesce($6::int, y.runs_left), triggered = ok.triggered + 1, last_triggered_at = ok.ts from ok where y.id = ok.schedule_id),
 n as (update session_heads y set last_seq = ok.seq, last_ts = ok.ts from ok where y.session_id = ok.session_id),
 x as materialized (
   select ok.session_id, ok.seq, event_id(ok.ts, ok.session_id, ok.seq::int, (random() * 536870911)::int) as id, 'schedule.triggered' as type, ok.ts,
     '{}'::jsonb as context, $5::jsonb as data from ok),
 e as (insert into events (session_id, seq, id, type, ts, context, data) select session_id, seq, id, type, ts, context, data from x)
 select x.seq, x.id as event_id, x.ts, x.type, x.context, x.data from x`,
};

const RETIRE: Statement = { name: 'schedule_retire', text: 'update session_schedules set next_at = null where id = $1' };

export interface SessionRef {
  orgId: Uuid;
  sessionId: Uuid;
}

export interface NewSchedule extends SessionRef {
  /** The same for every attempt of the call that makes it. */
  id: Uuid;
  message: string;
  cron: string | null;
  timezone: string;
  nextAt: Date;
  /** A tool call that it makes, so many times, in the place of sending its message. */
  probe?: { value: unknown; runs: number } | undefined;
}

export interface ScheduleLimits {
  perSession: number;
  perOrg: number;
}

/** `full` names the limit that is reached. Made again under its id it is left as it is. */
export type CreateScheduleResult = 'ok' | 'not_found' | 'session_full' | 'org_full';

export async function createSchedule(
  db: Database,
  schedule: NewSchedule,
  options: { lease: WriterLease; limits: ScheduleLimits },
): Promise<CreateScheduleResult> {
  const { sessionId, orgId, id, message, cron, timezone, nextAt, probe } = schedule;
  const { lease, limits } = options;
  const fields = [sessionId, orgId, id, message, cron, timezone, nextAt];
  const probed = probe === undefined ? [null, null] : [storableJson(probe.value), probe.runs];
  const values = [...fields, ...fenceValues(lease), limits.perSession, limits.perOrg, ...probed];
  const [row] = await underLock<{ standing: boolean; session_room: boolean; org_room: boolean } & Row>(db, schedule, [CREATE, values]);
  if (row === undefined) return 'not_found';
  if (!row.standing) throw new LeaseLostError('The lease has ended.');
  if (!row.session_room) return 'session_full';
  return row.org_room ? 'ok' : 'org_full';
}

function underLock<R extends Row>(db: Database, at: SessionRef, [statement, values]: [Statement, readonly unknown[]]): Promise<R[]> {
  return db.transaction(async (tx) => {
    const [, , rows] = await Promise.all([
      tx.run(LOCK, [at.sessionId, at.orgId]),
      lockLimit(tx, { what: 'session_schedules', of: at.orgId }),
      tx.run<R>(statement, values),
    ]);
    return rows;
  });
}

/** In the order of their making. */
export function listSchedules(db: Queryable, at: SessionRef): Promise<ScheduleRow[]> {
  return db.run<ScheduleRow>(LIST, [at.sessionId, at.orgId]);
}

export async function findSchedule(db: Queryable, at: SessionRef & { id: Uuid }): Promise<ScheduleRow | null> {
  const [row] = await db.run<ScheduleRow>(FIND, [at.sessionId, at.orgId, at.id, false]);
  return row ?? null;
}

/** Also one that was deleted since: as it was, and off. */
export async function findMadeSchedule(db: Queryable, at: SessionRef & { id: Uuid }): Promise<ScheduleRow | null> {
  const [row] = await db.run<ScheduleRow>(FIND, [at.sessionId, at.orgId, at.id, true]);
  return row ?? null;
}

const OWNER: Statement = { name: 'session_owner', text: 'select owner_user_id from sessions where id = $1 and org_id = $2' };

/** The user whose session it is; null when it is gone. */
export async function sessionOwner(db: Queryable, at: SessionRef): Promise<Uuid | null> {
  return (await db.run<{ owner_user_id: Uuid }>(OWNER, [at.sessionId, at.orgId]))[0]?.owner_user_id ?? null;
}

/** False when there is none. */
export async function deleteSchedule(db: Queryable, at: SessionRef & { id: Uuid }, lease: WriterLease): Promise<boolean> {
  const values = [at.sessionId, at.orgId, at.id, ...onceValues(lease)];
  const [row] = await db.run<{ standing: boolean; deleted: boolean; before: { deleted: boolean } | null } & Row>(DELETE, values);
  if (row === undefined) return false;
  if (!row.standing) throw new LeaseLostError('The lease has ended.');
  return row.before?.deleted ?? row.deleted;
}

/** Switches it on or off; `nextAt` replaces its next time, null leaves that as it is. */
export async function enableSchedule(
  db: Database,
  at: SessionRef & { id: Uuid },
  change: { enabled: boolean; nextAt: Date | null; limits: ScheduleLimits },
): Promise<CreateScheduleResult> {
  const { enabled, nextAt, limits } = change;
  const values = [at.sessionId, at.orgId, at.id, enabled, nextAt, limits.perSession, limits.perOrg];
  const [row] = await underLock<{ changed: boolean; session_room: boolean; org_room: boolean } & Row>(db, at, [ENABLE, values]);
  if (row?.changed === true) return 'ok';
  if (row === undefined || !enabled || (row.session_room && row.org_room)) return 'not_found';
  return row.session_room ? 'org_full' : 'session_full';
}

export interface DueSchedule extends ScheduleRow {
  next_at: Date;
  /** The database's clock. */
  now: Date;
  /** Is its session still there? */
  alive: boolean;
}

export function dueSchedules(db: Queryable, limit: number): Promise<DueSchedule[]> {
  return db.run<DueSchedule>(DUE, [limit]);
}

/** The event of this firing, or none when another instance was faster. */
export async function advanceSchedule(
  db: Queryable,
  due: { sessionId: Uuid; id: Uuid; at: Date | null },
  next: { at: Date | null; data: Record<string, unknown>; runsLeft?: number },
): Promise<DurableEvent[]> {
  const rows = await db.run<WrittenRow>(ADVANCE, [
    due.sessionId,
    due.id,
    due.at,
    next.at,
    JSON.stringify(next.data),
    next.runsLeft ?? null,
  ]);
  return writtenEvents(due.sessionId, rows);
}

/** Nothing more comes of it. */
export async function retireSchedule(db: Queryable, id: Uuid): Promise<void> {
  await db.run(RETIRE, [id]);
}
