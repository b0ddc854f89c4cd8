import type { Uuid } from '@everruns/contract';
import { fence, fenced, fenceValues, LeaseLostError, onceFence, onceFenced, onceValues, REMEMBERED, remembering } from '../core/fence.ts';
import type { WriterLease } from '../core/fence.ts';
import type { Queryable, Row, Statement } from '../database.ts';
import { storableJson } from '../json.ts';

/** What people allowed and refused. A call is recorded once. */

export const MAX_RECORDED_CHARS = 512;

export type ApprovalKind = 'call' | 'request' | 'conversation';
export type ApprovalOutcome = 'approved' | 'rejected' | 'expired';

export interface NewApprovalRecord {
  turnId: Uuid;
  toolCallId: string;
  kind: ApprovalKind;
  tool: string;
  /** What was allowed, in words. */
  action: string;
  outcome: ApprovalOutcome;
  reason?: string;
  /** Who said so; absent where nobody did, or nobody we know. */
  decidedBy?: Uuid;
}

const INSERT: Statement = {
  name: 'insert_approval_records',
  text: `with ${fence({ taskId: '$4', token: '$5', sessionId: '$2' })},
 w as (
   insert into approval_records (org_id, session_id, turn_id, tool_call_id, kind, tool, action, outcome, reason, decided_by)
   select $1, $2, r.turn_id, r.tool_call_id, r.kind, r.tool, left(r.action, ${MAX_RECORDED_CHARS}), r.outcome, left(r.reason, ${MAX_RECORDED_CHARS}), r.decided_by
   from jsonb_to_recordset($3::jsonb) as r(turn_id uuid, tool_call_id text, kind text, tool text, action text, outcome text, reason text, decided_by uuid)
   where ${fenced('$4')} on conflict do nothing)
 select ${fenced('$4')} as standing`,
};

export async function recordApprovals(
  db: Queryable,
  at: { orgId: Uuid; sessionId: Uuid },
  records: readonly NewApprovalRecord[],
  lease: WriterLease = null,
): Promise<void> {
  const rows = records.map(({ turnId, toolCallId, decidedBy, ...rest }) => ({
    turn_id: turnId,
    tool_call_id: toolCallId,
    decided_by: decidedBy,
    ...rest,
  }));
  const [row] = await db.run<{ standing: boolean } & Row>(INSERT, [at.orgId, at.sessionId, storableJson(rows), ...fenceValues(lease)]);
  if (row?.standing !== true) throw new LeaseLostError('The lease has ended.');
}

export interface StoredApproval extends Row {
  id: Uuid;
  session_id: Uuid;
  turn_id: Uuid;
  tool_call_id: string;
  kind: ApprovalKind;
  tool: string;
  action: string;
  outcome: ApprovalOutcome;
  reason: string | null;
  decided_by: Uuid | null;
  created_at: Date;
}

const LIST: Statement = {
  name: 'list_approval_records',
  text: `select id, session_id, turn_id, tool_call_id, kind, tool, action, outcome, reason, decided_by, created_at, count(*) over () as total from approval_records
    where org_id = $1 and session_id = $2 order by created_at desc, id desc limit $3 offset $4`,
};

/** Newest first. */
export async function listApprovalRecords(
  db: Queryable,
  at: { orgId: Uuid; sessionId: Uuid },
  page: { limit: number; offset: number },
): Promise<{ rows: StoredApproval[]; total: number }> {
  const rows = await db.run<StoredApproval & { total: number }>(LIST, [at.orgId, at.sessionId, page.limit, page.offset]);
  return { rows, total: Number(rows[0]?.total ?? 0) };
}

const SET_MODE: Statement = {
  name: 'set_approval_mode',
  text: `with ${onceFence({ taskId: '$4', token: '$5', sessionId: '$1' }, '$6')},
 b as materialized (select id, approvals->>'mode' as previous from sessions where id = $1 and org_id = $2 for update),
 w as (update sessions s set approvals = coalesce(s.approvals, '{}') || jsonb_build_object('mode', $3::text) from b where s.id = b.id and ${onceFenced('$4')}),
 ${remembering('$6', `jsonb_build_object('previous', b.previous)`, 'b')}
 select ${fenced('$4')} as standing, b.previous, ${REMEMBERED} as before from b`,
};

/** How readily the agent asks in this session from now on; gives what was set before, null when nothing was. */
export async function setApprovalMode(
  db: Queryable,
  at: { orgId: Uuid; sessionId: Uuid; mode: string },
  lease: WriterLease,
): Promise<string | null> {
  const values = [at.sessionId, at.orgId, at.mode, ...onceValues(lease)];
  const [row] = await db.run<{ standing: boolean; previous: string | null; before: { previous: string | null } | null } & Row>(
    SET_MODE,
    values,
  );
  if (row?.standing !== true) throw new LeaseLostError('The lease has ended.');
  return (row.before ?? row).previous;
}
