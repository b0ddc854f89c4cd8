import type { Uuid } from '@everruns/contract';

/**
 * The lease under which a running step writes; null for a caller that needs none. `batch` names the write, the same when it is asked for again: what takes
 * it is made once, and gives its first answer.
 */
export type WriterLease = { taskId: Uuid; token: Uuid; batch?: Uuid | undefined } | null;

/** The step has lost its lease: somebody else may be doing its work by now, and nothing was written. */
export class LeaseLostError extends Error {
  override readonly name = 'LeaseLostError';
}

/** The lease `l` is of this session: of a step of its turn, or of a call that goes on in the background in its name. */
function ofSession(sessionId: string): string {
  return `(l.session_id = ${sessionId}::uuid or l.payload#>>'{input,owner,session_id}' = ${sessionId}::uuid::text)`;
}

/** The lease `l` is of the session whose head is `h`. */
export const OWN_LEASE = ofSession('h.session_id');

/** Finds the lease in `$1`, `$2` when it stands and is of the session `$3`. */
export const STANDING_LEASE = `from leases l where l.task_id = $1 and l.token = $2 and ${ofSession('$3')}`;

/** What a condition on a lease compares: its parameters, and that of the session that is written for. */
export interface FenceParameters {
  taskId: string;
  token: string;
  sessionId: string;
}

/**
 * A condition on the lease for statements that write what a step asks for: it stands, and it is of the session that is written for. The row is locked until
 * the write commits, so that a lease cannot end between the look and the write. Used as `with ${fence(..)} insert .. where ${fenced('$3')}`.
 */
export function fence({ taskId, token, sessionId }: FenceParameters): string {
  return `fence as materialized (
   select 1 from leases l where l.task_id = ${taskId}::uuid and l.token = ${token}::uuid and ${ofSession(sessionId)} for share)`;
}

/**
 * The same for a write that a step asks for once: the lease knows the latest of them by the batch, with the answer that was given. To be used with
 * `onceFenced`, `remembering` and `REMEMBERED`; `batch` is null for one that may be made again.
 */
export function onceFence({ taskId, token, sessionId }: FenceParameters, batch: string): string {
  return `fence as materialized (
   select l.task_id, coalesce(l.file_batch = ${batch}::uuid, false) as repeated, l.batch_answer from leases l
   where l.task_id = ${taskId}::uuid and l.token = ${token}::uuid and ${ofSession(sessionId)} for update)`;
}

/** May it be written now? */
export function onceFenced(taskId: string): string {
  return `(${taskId}::uuid is null or exists (select 1 from fence where not repeated))`;
}

/** The answer to the batch, when it comes again; null the first time. */
export const REMEMBERED = '(select batch_answer from fence where repeated)';

/** Has the lease know what was answered; `answer` is a JSON expression over `from`. */
export function remembering(batch: string, answer: string, from?: string): string {
  return `remembers as (
   update leases l set file_batch = ${batch}::uuid, batch_answer = ${answer} from fence${from === undefined ? '' : `, ${from}`}
   where l.task_id = fence.task_id and not fence.repeated and ${batch}::uuid is not null)`;
}

export function fenced(taskId: string): string {
  return `(${taskId}::uuid is null or exists (select 1 from fence))`;
}

/** The values of lease, token and batch. */
export function onceValues(lease: WriterLease): [Uuid | null, Uuid | null, Uuid | null] {
  return [...fenceValues(lease), lease?.batch ?? null];
}

/** The values of both parameters. */
export function fenceValues(lease: WriterLease): [Uuid | null, Uuid | null] {
  return lease === null ? [null, null] : [lease.taskId, lease.token];
}
