import type { Uuid } from '@everruns/contract';
import type { Queryable, Row, Statement } from '../database.ts';

/** One change, or one event of an account: who did what to which thing, and why. Never a secret, never a body. */
export interface AuditEntry {
  /** Null: it is of no organization, such as a login. */
  orgId: Uuid | null;
  /** Null: nobody who is known. */
  actorUserId: Uuid | null;
  credential: { kind: string; id: Uuid | null } | null;
  /** The part of the product: the resource of the route's permission, `account`, `auth` or `platform`. */
  domain: string;
  /** `operationId` of the request, or the name of an event such as `auth.login.failure`. */
  action: string;
  /** `id` as clients know it. */
  target: { type: string; id: string } | null;
  reason: string | null;
  ip: string | null;
  requestId: string | null;
  metadata: Readonly<Record<string, unknown>>;
}

export interface AuditRow extends Row {
  id: Uuid;
  actor_user_id: Uuid | null;
  credential_kind: string | null;
  credential_id: Uuid | null;
  domain: string;
  action: string;
  target_type: string | null;
  target_id: string | null;
  reason: string | null;
  ip: string | null;
  request_id: string | null;
  metadata: Record<string, unknown>;
  created_at: Date;
}

export interface AuditFilter {
  action: string | null;
  actor: Uuid | null;
  target: string | null;
  domain: string | null;
  since: Date | null;
  until: Date | null;
  /** Older than this entry. */
  before: Uuid | null;
}

const INSERT: Statement = {
  name: 'audit_insert',
  text: `insert into audit_logs (id, org_id, actor_user_id, credential_kind, credential_id, domain, action, target_type, target_id, reason, ip,
      request_id, metadata) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
};
function list(name: string, whose: string): Statement {
  return {
    name,
    text: `select id, actor_user_id, credential_kind, credential_id, domain, action, target_type, target_id, reason, ip, request_id, metadata, created_at
      from audit_logs where ${whose} and ($2::uuid is null or id < $2) and ($3::text is null or action = $3)
        and ($4::uuid is null or actor_user_id = $4) and ($5::text is null or target_id = $5) and ($6::text is null or domain = $6)
        and ($7::timestamptz is null or created_at >= $7) and ($8::timestamptz is null or created_at < $8)
      order by id desc limit $9`,
  };
}
const OF_ORG = list('audit_list', 'org_id = $1');
const OF_NONE = list('audit_list_of_none', 'org_id is null and $1::uuid is null');

/** `db` may be the transaction of the change itself. */
export async function insertAudit(db: Queryable, id: Uuid, entry: AuditEntry): Promise<void> {
  const { orgId, actorUserId, credential, domain, action, target, reason, ip, requestId, metadata } = entry;
  await db.run(INSERT, [
    id,
    orgId,
    actorUserId,
    credential?.kind ?? null,
    credential?.id ?? null,
    domain,
    action,
    target?.type ?? null,
    target?.id ?? null,
    reason,
    ip,
    requestId,
    JSON.stringify(metadata),
  ]);
}

/** Newest first. Null: what is of no organization. */
export async function listAudit(
  db: Queryable,
  orgId: Uuid | null,
  { filter, limit }: { filter: AuditFilter; limit: number },
): Promise<AuditRow[]> {
  const { before, action, actor, target, domain, since, until } = filter;
  return db.run<AuditRow>(orgId === null ? OF_NONE : OF_ORG, [orgId, before, action, actor, target, domain, since, until, limit]);
}
