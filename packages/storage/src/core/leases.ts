import type { PlannedCall, Pool, Uuid } from '@everruns/contract';
import type { CallEffect, TaskError, TaskPayload } from '@everruns/engine';
import type { Queryable, Statement } from '../database.ts';
import { storableJson } from '../json.ts';

/** Leases outside the steps that hold them: finding lost ones, giving tasks back, adopting what a re-attached worker holds. */

export interface HeldLease {
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
  instanceId: Uuid;
  attachment: Uuid;
  bootId: Uuid;
  /** Has it appended events or stored a checkpoint? One that it was granted with is of an earlier attempt. */
  progress: boolean;
  payload: TaskPayload;
  checkpoint: unknown;
}

const COLUMNS = `task_id as "taskId", token, org_id as "orgId", session_id as "sessionId", workflow_id as "workflowId", pool, attempt, losses, failures, step,
  call_id as "callId", effect, instance_id as "instanceId", attachment, boot_id as "bootId", (appended > 0 or checkpoints > 0) as progress, payload, checkpoint`;

type LeaseResult = HeldLease & Record<string, unknown>;

const OF_ATTACHMENT: Statement = {
  name: 'leases_of_attachment',
  text: `select ${COLUMNS} from leases where instance_id = $1 and attachment = $2`,
};
const OF_BOOT: Statement = {
  name: 'leases_of_worker',
  text: `select ${COLUMNS} from leases where worker_id = $1`,
};
const OVERDUE: Statement = {
  name: 'leases_overdue',
  text: `select ${COLUMNS} from leases where deadline < (select engine_now()) order by deadline limit $1`,
};
const ORPHANED: Statement = {
  name: 'leases_orphaned',
  text: `with recursive holders(id) as (
   (select l.instance_id from leases l order by l.instance_id limit 1)
   union all
   select (select l.instance_id from leases l where l.instance_id > k.id order by l.instance_id limit 1) from holders k where k.id is not null)
   select ${COLUMNS} from leases where instance_id = any(array(
     select k.id from holders k where not exists (select 1 from instances i where i.id = k.id and i.lost_at is null))) order by instance_id limit $1`,
};
/** While another stream of the worker is the registered one, its leases are that one's concern. */
const STRAY: Statement = {
  name: 'stray_leases_of_worker',
  text: `select ${COLUMNS} from leases where worker_id = $1 and attachment <> $2
    and exists (select 1 from workers w where w.id = $1 and w.attachment = $2)`,
};
const OF_INSTANCE: Statement = { name: 'leases_of_instance', text: `select ${COLUMNS} from leases where instance_id = $1` };

export function leasesOfAttachment(db: Queryable, at: { instanceId: Uuid; attachment: Uuid }): Promise<HeldLease[]> {
  return db.run<LeaseResult>(OF_ATTACHMENT, [at.instanceId, at.attachment]);
}

export function leasesOfWorker(db: Queryable, workerId: string): Promise<HeldLease[]> {
  return db.run<LeaseResult>(OF_BOOT, [workerId]);
}

/** Leases of a worker that its present stream does not hold: never delivered, or another boot's. None when a later stream has come. */
export function strayLeasesOfWorker(db: Queryable, at: { workerId: string; attachment: Uuid }): Promise<HeldLease[]> {
  return db.run<LeaseResult>(STRAY, [at.workerId, at.attachment]);
}

/** Leases past their start-to-close deadline. */
export function overdueLeases(db: Queryable, limit: number): Promise<HeldLease[]> {
  return db.run<LeaseResult>(OVERDUE, [limit]);
}

/** Leases whose instance is gone or lost; swept on every beat, since a claim may commit after the release. */
export function orphanedLeases(db: Queryable, limit: number): Promise<HeldLease[]> {
  return db.run<LeaseResult>(ORPHANED, [limit]);
}

export function leasesOfInstance(db: Queryable, instanceId: Uuid): Promise<HeldLease[]> {
  return db.run<LeaseResult>(OF_INSTANCE, [instanceId]);
}

const ADOPT: Statement = {
  name: 'adopt_leases',
  text: `with registered as materialized (select attachment from workers where id = $4 for share),
 mine as materialized (
   select task_id as id from leases where boot_id = $3 and worker_id = $4 and token = any($5::uuid[])
     and not exists (select 1 from registered where attachment <> $2)
     and exists (select 1 from instances where id = $1 and lost_at is null) order by task_id for update)
   update leases set instance_id = $1, attachment = $2 from mine where task_id = mine.id returning ${COLUMNS}`,
};

/**
 * Moves the leases that a re-attached worker still holds to its new attachment. Those not returned are lost, or another stream of the worker
 * is the registered one by now and has them.
 */
export function adoptLeases(
  db: Queryable,
  at: { instanceId: Uuid; attachment: Uuid; bootId: Uuid; workerId: string; tokens: readonly Uuid[] },
): Promise<HeldLease[]> {
  return db.run<LeaseResult>(ADOPT, [at.instanceId, at.attachment, at.bootId, at.workerId, at.tokens]);
}

const REQUEUE: Statement = {
  name: 'requeue_lease',
  text: `with l as materialized (
   select task_id, org_id, session_id, workflow_id, pool, priority, attempt, failures, step, call_id, effect, payload, checkpoint
   from leases where task_id = $1 and token = $2 and instance_id = $3 and attachment = $4 for update skip locked),
 d as (delete from leases x using l where x.task_id = l.task_id returning x.task_id),
 r as (
   insert into ready (id, org_id, session_id, workflow_id, pool, priority, attempt, losses, failures, step, call_id, effect, payload, checkpoint)
   select l.task_id, l.org_id, l.session_id, l.workflow_id, l.pool, l.priority, l.attempt, $5, $6, l.step, l.call_id, l.effect, l.payload, l.checkpoint
   from l where $7::int <= 0),
 t as (
   insert into timers (id, due_at, kind, org_id, session_id, workflow_id, ref, breaker, payload)
   select l.task_id, engine_now() + $7::int * interval '1 millisecond', 'task', l.org_id, l.session_id, l.workflow_id, l.call_id, $9,
     jsonb_build_object('pool', l.pool, 'priority', l.priority, 'attempt', l.attempt, 'losses', $5::int, 'failures', $6::int, 'step', l.step, 'call_id', l.call_id,
       'effect', l.effect, 'payload', l.payload || $8::jsonb, 'checkpoint', l.checkpoint)
   from l where $7::int > 0)
 select task_id from l`,
};

export interface RequeueCommand {
  lease: HeldLease;
  losses: number;
  failures: number;
  delayMs: number;
  /** Kept with the task, for the dead letter. */
  errors?: TaskError[];
  /** The circuit breaker that parks it. */
  breaker?: string;
}

/** Lease back to ready, or to a timer; needs no head. False when the lease has changed hands since it was read. */
export async function requeueLease(db: Queryable, command: RequeueCommand): Promise<boolean> {
  const { lease } = command;
  const rows = await db.run(REQUEUE, [
    lease.taskId,
    lease.token,
    lease.instanceId,
    lease.attachment,
    command.losses,
    command.failures,
    Math.round(command.delayMs),
    storableJson(command.errors === undefined ? {} : { errors: command.errors }),
    command.breaker ?? null,
  ]);
  return rows.length > 0;
}

const STANDS: Statement = {
  name: 'lease_stands',
  text: `select 1 from leases where task_id = $1 and token = $2 and instance_id = $3 and attachment = $4`,
};

/** Is it still held as it was read? A requeue passes over a lease that somebody is deciding about: this tells it from one that is gone. */
export async function leaseStands(
  db: Queryable,
  lease: Pick<HeldLease, 'taskId' | 'token' | 'instanceId' | 'attachment'>,
): Promise<boolean> {
  return (await db.run(STANDS, [lease.taskId, lease.token, lease.instanceId, lease.attachment])).length > 0;
}

const DROP: Statement = { name: 'drop_lease', text: `delete from leases where task_id = $1 and token = $2` };

/** Ends a lease whose turn is over. */
export async function dropLease(db: Queryable, lease: Pick<HeldLease, 'taskId' | 'token'>): Promise<void> {
  await db.run(DROP, [lease.taskId, lease.token]);
}

const UNCLAIMED: Statement = {
  name: 'ready_past_start_by',
  text: `select id as "taskId", org_id as "orgId", session_id as "sessionId", workflow_id as "workflowId", pool, step, call_id as "callId", effect, attempt, failures, payload
    from ready where start_by < (select engine_now()) order by start_by limit $1`,
};

export interface UnstartedTask {
  taskId: Uuid;
  orgId: Uuid;
  sessionId: Uuid;
  workflowId: Uuid;
  pool: Pool;
  step: number;
  callId: string | null;
  effect: CallEffect | null;
  attempt: number;
  failures: number;
  payload: TaskPayload;
}

/** Tasks that no worker took before their schedule-to-start time-out. */
export function overdueReady(db: Queryable, limit: number): Promise<UnstartedTask[]> {
  return db.run<UnstartedTask & Record<string, unknown>>(UNCLAIMED, [limit]);
}

const TAKE_READY: Statement = {
  name: 'take_ready',
  text: `delete from ready where id in (select id from ready where id = $1 for update skip locked) returning id`,
};

/** Takes a task out of the queue for good; false when a claim was faster. */
export async function takeReady(db: Queryable, taskId: Uuid): Promise<boolean> {
  return (await db.run(TAKE_READY, [taskId])).length > 0;
}

const WORKFLOWS: Statement = {
  name: 'workflows_by_id',
  text: `select id, state, revision, version from workflows where id = any($1::uuid[])`,
};

export interface WorkflowSnapshot {
  id: Uuid;
  state: unknown;
  revision: number;
  version: number;
}

/** States of the workflows whose leases were adopted; checked again by the completion. */
export function workflowsById(db: Queryable, ids: readonly Uuid[]): Promise<WorkflowSnapshot[]> {
  return db.run<WorkflowSnapshot & Record<string, unknown>>(WORKFLOWS, [ids]);
}

const STEP_CALLS: Statement = {
  name: 'calls_of_step',
  text: `select call_id, plan from tool_calls where workflow_id = $1 and step = $2 order by position`,
};

/** The calls of one step in full, by id. They never change, so no lock is needed. */
export async function callsOfStep(db: Queryable, at: { workflowId: Uuid; step: number }): Promise<Map<string, PlannedCall>> {
  const rows = await db.run<{ call_id: string; plan: PlannedCall }>(STEP_CALLS, [at.workflowId, at.step]);
  return new Map(rows.map((row) => [row.call_id, row.plan]));
}
