import type { Uuid } from '@everruns/contract';
import type { Queryable, Statement } from '../database.ts';

/** What is left of organizations that nobody is in any more. */

const CLOSED: Statement = {
  name: 'closed_orgs',
  text: 'select id from organizations where deleted_at is not null order by deleted_at limit 20',
};
const SESSIONS: Statement = {
  name: 'closed_org_sessions',
  text: 'select id from sessions where org_id = $1 and deleted_at is null order by id limit $2',
};
/** What belongs to a session went with it; finished work of the engine and the audit log go when they are old enough, as everywhere. */
const OWN_TABLES =
  'agents harnesses models providers mcp_servers mcp_tool_lists skills memories knowledge_bases images files workspaces task_webhooks org_encryption_keys org_members';
/** Keys between these tables are looked at when the statement has ended. */
const PURGE: Statement = {
  name: 'closed_org_purge',
  text: `with o as materialized (
      select id from organizations where id = $1 and deleted_at is not null and not exists (select 1 from sessions where org_id = $1)),
    ${OWN_TABLES.split(' ')
      .map((table) => `d_${table} as (delete from ${table} where org_id in (select id from o))`)
      .join(',\n    ')},
    b as (delete from budgets where org_id in (select id from o) returning id),
    b_grants as (delete from budget_grants where budget_id in (select id from b)),
    b_holds as (delete from budget_holds where budget_id in (select id from b)),
    b_ledger as (delete from budget_ledger where budget_id in (select id from b))
    delete from organizations where id in (select id from o) returning id`,
};

export async function closedOrganizations(db: Queryable): Promise<Uuid[]> {
  return (await db.run<{ id: Uuid }>(CLOSED)).map(({ id }) => id);
}

/** Sessions that are still to be deleted, some of them. */
export async function sessionsOfClosed(db: Queryable, orgId: Uuid, limit: number): Promise<Uuid[]> {
  return (await db.run<{ id: Uuid }>(SESSIONS, [orgId, limit])).map(({ id }) => id);
}

/** False while rows of its sessions are there: they go in batches, with their logs. */
export async function purgeOrganization(db: Queryable, orgId: Uuid): Promise<boolean> {
  return (await db.run(PURGE, [orgId])).length > 0;
}
