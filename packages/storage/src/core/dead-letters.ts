import type { Pool, Uuid } from '@everruns/contract';
import type { TaskError, TaskPayload } from '@everruns/engine';
import type { Queryable, Statement } from '../database.ts';

/** Tasks that ran out of attempts, kept with all that is needed to run them again. */

const COLUMNS = `id, org_id as "orgId", session_id as "sessionId", workflow_id as "workflowId", pool, step, call_id as "callId", payload, attempts,
  error_history as errors, dead_at as "deadAt", requeued_at as "requeuedAt", requeued_as as "requeuedAs"`;

const LIST: Statement = {
  name: 'dead_letters_list',
  text: `select ${COLUMNS}, count(*) over ()::int as total from dead_letters
    where requeued_at is null and ($1::uuid is null or workflow_id = $1) and ($2::text is null or pool = $2) order by dead_at desc offset $3 limit $4`,
};
const FIND: Statement = { name: 'dead_letter_find', text: `select ${COLUMNS} from dead_letters where id = $1` };
const LOCK: Statement = {
  name: 'dead_letter_lock',
  text: `select ${COLUMNS} from dead_letters where id = $1 and requeued_at is null for update`,
};
const MARK: Statement = {
  name: 'dead_letter_requeued',
  text: `update dead_letters set requeued_at = engine_now(), requeued_as = $2 where id = $1`,
};
const REVIVE: Statement = {
  name: 'revive_workflow',
  text: `with w as (
     insert into workflows (id, org_id, session_id, kind, version, status, state, revision)
     select $2, o.org_id, o.session_id, o.kind, o.version, 'running', $3::jsonb, 0 from workflows o where o.id = $1 returning id)
   update session_heads set turn_id = $2 where session_id = $4 and exists (select 1 from w)`,
};

export interface DeadLetter {
  id: Uuid;
  orgId: Uuid;
  sessionId: Uuid;
  workflowId: Uuid;
  pool: Pool;
  step: number;
  callId: string | null;
  payload: TaskPayload;
  attempts: number;
  errors: TaskError[];
  deadAt: Date;
  requeuedAt: Date | null;
  /** The workflow that it was revived as. */
  requeuedAs: Uuid | null;
}

type DeadRow = DeadLetter & Record<string, unknown>;

export async function listDeadLetters(
  db: Queryable,
  filter: { workflowId: Uuid | null; pool: string | null; offset: number; limit: number },
): Promise<{ data: DeadLetter[]; total: number }> {
  const rows = await db.run<DeadRow & { total: number }>(LIST, [filter.workflowId, filter.pool, filter.offset, filter.limit]);
  return { data: rows, total: rows[0]?.total ?? 0 };
}

export async function findDeadLetter(db: Queryable, id: Uuid): Promise<DeadLetter | null> {
  return (await db.run<DeadRow>(FIND, [id]))[0] ?? null;
}

/** Locks a dead letter that has not been requeued; null when another requeue was faster. */
export async function lockDeadLetter(tx: Queryable, id: Uuid): Promise<DeadLetter | null> {
  return (await tx.run<DeadRow>(LOCK, [id]))[0] ?? null;
}

export async function markRequeued(tx: Queryable, at: { id: Uuid; as: Uuid }): Promise<void> {
  await tx.run(MARK, [at.id, at.as]);
}

/** A new run of an ended workflow in its session, whose head the caller holds and found free. */
export async function reviveWorkflow(tx: Queryable, at: { from: Uuid; as: Uuid; state: unknown; sessionId: Uuid }): Promise<void> {
  await tx.run(REVIVE, [at.from, at.as, JSON.stringify(at.state), at.sessionId]);
}
