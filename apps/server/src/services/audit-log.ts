import { toPublicId } from '@everruns/contract';
import type { AuditLog, AuditQuery, Uuid } from '@everruns/contract';
import { listAudit } from '@everruns/storage';
import type { AuditRow, Database } from '@everruns/storage';
import { iso, present } from './present/fields.ts';

export interface AuditLogService {
  /** Newest first. Null: what is of no organization, such as logins. */
  list(orgId: Uuid | null, query: AuditQuery): Promise<{ data: AuditLog[]; next_before?: string }>;
}

export function createAuditLogService({ db }: { db: Database }): AuditLogService {
  return {
    async list(orgId, query) {
      const filter = {
        action: query.action ?? null,
        actor: query.actor ?? null,
        target: query.target ?? null,
        domain: query.domain ?? null,
        since: query.since === undefined ? null : new Date(query.since),
        until: query.until === undefined ? null : new Date(query.until),
        before: query.before ?? null,
      };
      // One more than asked for tells whether there is another page.
      const rows = await listAudit(db, orgId, { filter, limit: query.limit + 1 });
      const data = rows.slice(0, query.limit).map(presentEntry);
      return rows.length > query.limit ? { data, next_before: (data.at(-1) as AuditLog).id } : { data };
    },
  };
}

function presentEntry(row: AuditRow): AuditLog {
  const { credential_kind: kind, credential_id: credentialId, target_type: type, target_id: targetId } = row;
  return present({
    id: toPublicId('audit_log', row.id),
    action: row.action,
    domain: row.domain,
    actor_user_id: row.actor_user_id,
    credential: kind === null ? null : present({ kind, id: credentialId }),
    target: type === null || targetId === null ? null : { type, id: targetId },
    reason: row.reason,
    ip: row.ip,
    request_id: row.request_id,
    metadata: Object.keys(row.metadata).length === 0 ? null : row.metadata,
    created_at: iso(row.created_at),
  }) as AuditLog;
}
