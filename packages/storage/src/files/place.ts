import type { Uuid } from '@everruns/contract';
import { fence, LeaseLostError, OWN_LEASE } from '../core/fence.ts';
import type { WriterLease } from '../core/fence.ts';
import type { Row } from '../database.ts';

/** Where files are: a workspace by its id, or the workspace of a session. Of another organization it looks as if there was none. */
export interface FilePlace {
  orgId: Uuid;
  workspaceId: Uuid | null;
  sessionId: Uuid | null;
  /** How its root is called where people and models read of it; `/workspace` when absent. */
  shownRoot?: string;
}

/** A writer: somebody who may write while the lease stands, if there is one. */
export interface FileWriter extends FilePlace {
  lease: WriterLease;
}

/** `$1` organization, `$2` workspace or null, `$3` session or null. */
export function placeValues({ orgId, workspaceId, sessionId }: FilePlace): unknown[] {
  return [orgId, workspaceId, sessionId];
}

/** `$1` to `$5`: the place, then the lease. */
export function writerValues(writer: FileWriter): unknown[] {
  return [...placeValues(writer), writer.lease?.taskId ?? null, writer.lease?.token ?? null];
}

/** The workspace's id; null for a session that is not there. The organization is checked where the workspace is read. */
export const WORKSPACE_ID = `coalesce($2::uuid, (select s.workspace_id from sessions s where s.id = $3 and s.org_id = $1 and s.deleted_at is null))`;

/** `w`, one row or none: the workspace as readers see it. */
export const READER = `w as materialized (
   select id, coalesce($3::uuid, session_id, id) as shown_session from workspaces
   where id = (select ${WORKSPACE_ID}) and org_id = $1 and status <> 'deleted')`;

/**
 * For statements that write. The lease is locked first, then the workspace's row; writers of one workspace so come one after the other. `s` is what
 * the statement's snapshot says of the row: when the lock had to be waited for and somebody wrote meanwhile, the revisions differ, and whatever
 * else the statement has read is old as well. It then answers `again`, having written nothing.
 */
const LOCKS = `t as materialized (select ${WORKSPACE_ID} as id, $4::uuid is null or exists (select 1 from fence) as standing),
 w as materialized (
   select id, status, revision, entry_count, total_bytes, coalesce($3::uuid, session_id, id) as shown_session from workspaces
   where id = (select id from t where standing) and org_id = $1 and status <> 'deleted' for update),
 s as materialized (select revision from workspaces where id = (select id from t))`;

export const WRITER = `${fence({ taskId: '$4', token: '$5', sessionId: '$3' })},
 ${LOCKS}`;

/**
 * The same for what a step does once: its lease knows the latest batch, and is locked to be changed. The head of the session is locked before everything
 * else, as by whoever writes events.
 */
export const BATCH_WRITER = `h as materialized (
   select session_id, last_seq, last_ts from session_heads where session_id = $3 and org_id = $1 for update),
 fence as materialized (
   select l.task_id, l.file_batch, l.batch_answer from h join leases l on l.task_id = $4::uuid and l.token = $5::uuid and ${OWN_LEASE} for update of l),
 ${LOCKS}`;

/** First branches of every writer's verdict. */
export const WRITER_VERDICTS = `when not t.standing then 'lease_lost'
     when w.id is null then 'gone'
     when w.status <> 'active' then 'archived'
     when w.revision <> s.revision then 'again'`;

export type WriteVerdict =
  | 'ok'
  | 'gone'
  | 'archived'
  | 'missing'
  | 'exists'
  | 'not_a_directory'
  | 'is_a_directory'
  | 'not_empty'
  | 'read_only'
  | 'stale'
  | 'full';

export interface VerdictRow extends Row {
  verdict: WriteVerdict | 'again' | 'lease_lost';
}

/** Repeats while other writers of the workspace are faster: each round, one of them is through. */
export async function untilSettled<R extends VerdictRow>(attempt: () => Promise<R[]>): Promise<R & { verdict: WriteVerdict }> {
  for (;;) {
    const row = (await attempt())[0] as R;
    if (row.verdict === 'lease_lost') throw new LeaseLostError('The lease has ended.');
    if (row.verdict !== 'again') return row as R & { verdict: WriteVerdict };
  }
}
