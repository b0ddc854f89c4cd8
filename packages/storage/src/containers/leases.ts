import type { Uuid } from '@everruns/contract';
import { fence, fenced, fenceValues, LeaseLostError } from '../core/fence.ts';
import type { WriterLease } from '../core/fence.ts';
import type { Queryable, Row, Statement } from '../database.ts';

/** Which container a session works in. */

/** A container is kept for so long after its last use began. Longer than any call takes, so that none is at work when it is removed. */
const LEASE_SECONDS = 1_800;

const USE: Statement = {
  name: 'container_use',
  text: `with ${fence({ taskId: '$5', token: '$6', sessionId: '$1' })},
 s as materialized (select id, org_id from sessions where id = $1 and org_id = $2 and deleted_at is null),
 w as (
   insert into session_containers (id, session_id, org_id, engine, used_at, due_at)
   select $3, s.id, s.org_id, $4, engine_now(), engine_now() + interval '${LEASE_SECONDS} seconds' from s where ${fenced('$5')}
   on conflict (session_id) where ended_at is null
   do update set used_at = excluded.used_at, due_at = excluded.due_at where session_containers.engine = excluded.engine
   returning id)
 select ${fenced('$5')} as standing, exists (select 1 from s) as alive, (select id from w) as id`,
};

const END: Statement = {
  name: 'container_end',
  text: `with ${fence({ taskId: '$3', token: '$4', sessionId: '$1' })},
 w as (
   update session_containers set ended_at = engine_now(), due_at = engine_now()
   where session_id = $1 and org_id = $2 and ended_at is null and ${fenced('$3')})
 select ${fenced('$3')} as standing`,
};

const LIST: Statement = {
  name: 'container_list',
  text: `select id, used_at, ended_at, due_at, created_at from session_containers where session_id = $1 and org_id = $2 order by created_at desc, id desc`,
};

export interface ContainerOwner {
  orgId: Uuid;
  sessionId: Uuid;
}

export type UsedContainer = { verdict: 'ok'; id: Uuid } | { verdict: 'not_found' } | { verdict: 'elsewhere' };

/**
 * The lease of the session's container, made under `id` where there is none, and renewed; `elsewhere` when it is at another engine. Done again it gives
 * the same one. Throws `LeaseLostError`.
 */
export async function useContainerLease(
  db: Queryable,
  { sessionId, orgId }: ContainerOwner,
  { id, engine, lease }: { id: Uuid; engine: string; lease: WriterLease },
): Promise<UsedContainer> {
  type Found = { standing: boolean; alive: boolean; id: Uuid | null } & Row;
  const [row] = await db.run<Found>(USE, [sessionId, orgId, id, engine, ...fenceValues(lease)]);
  if (row === undefined || !row.standing) throw new LeaseLostError('The lease has ended.');
  if (!row.alive) return { verdict: 'not_found' };
  return row.id === null ? { verdict: 'elsewhere' } : { verdict: 'ok', id: row.id };
}

export interface ContainerRow extends Row {
  id: Uuid;
  used_at: Date;
  /** Null while the session has it. */
  ended_at: Date | null;
  due_at: Date;
  created_at: Date;
}

/** The session's container and those that are not removed for good yet, the newest first. */
export function listContainers(db: Queryable, { sessionId, orgId }: ContainerOwner): Promise<ContainerRow[]> {
  return db.run<ContainerRow>(LIST, [sessionId, orgId]);
}

/** Nobody gets the container any more; it is removed next. Throws `LeaseLostError`. */
export async function endContainerLease(db: Queryable, { sessionId, orgId }: ContainerOwner, lease: WriterLease): Promise<void> {
  const [row] = await db.run<{ standing: boolean } & Row>(END, [sessionId, orgId, ...fenceValues(lease)]);
  if (row?.standing !== true) throw new LeaseLostError('The lease has ended.');
}
