import type { Role, Uuid } from '@everruns/contract';
import type { Database, Queryable, Row, Statement } from '../database.ts';
import { lockLimit } from '../limits.ts';
import { findOrganization } from '../resources/organizations.ts';
import type { OrganizationRow } from '../resources/organizations.ts';
import { provisionOrganization } from '../resources/provision.ts';
import type { ProvisionInput } from '../resources/provision.ts';

/** None when the user owns as many as they may; those that others have asked them into do not count. */
const CREATE: Statement = {
  name: 'org_create',
  text: `with o as (
      insert into organizations (id, name) select $1, $2
      where $4::int = 0 or (select count(*) from org_members m where m.user_id = $3 and m.role = 'owner') < $4
      returning id)
    insert into org_members (org_id, user_id, role) select id, $3, 'owner' from o returning org_id`,
};
const ROLE: Statement = {
  name: 'org_role',
  text: `select role from org_members where org_id = $1 and user_id = $2`,
};
const ONBOARDED: Statement = {
  name: 'org_onboarded',
  text: `update organizations set updated_at = case when onboarding_completed_at is null then clock_timestamp() else updated_at end,
      onboarding_completed_at = coalesce(onboarding_completed_at, clock_timestamp()) where id = $1`,
};
/** Whoever changes who belongs to an organization does so one after the other. Keys that refer to the row stay free. */
const LOCK: Statement = {
  name: 'org_lock_members',
  text: `select id from organizations where id = $1 and deleted_at is null for no key update`,
};

export interface NewOrganization {
  id: Uuid;
  name: string;
  userId: Uuid;
  /** Most organizations that one user owns; 0 = no limit. */
  limit: number;
  provision: ProvisionInput;
}

/** With its built-in harnesses and providers, and the user as its owner: all of it or nothing. */
export function createOrganization(
  db: Database,
  { id, name, userId, limit, provision }: NewOrganization,
): Promise<OrganizationRow | 'limit'> {
  return db.transaction(async (tx) => {
    await lockLimit(tx, { what: 'organizations', of: userId });
    if ((await tx.run(CREATE, [id, name, userId, limit])).length === 0) return 'limit';
    await provisionOrganization(tx, provision);
    return (await findOrganization(tx, id)) as OrganizationRow;
  });
}

/** Null: no member, or no such organization. */
export async function roleIn(db: Queryable, orgId: Uuid, userId: Uuid): Promise<Role | null> {
  return (await db.run<{ role: Role }>(ROLE, [orgId, userId]))[0]?.role ?? null;
}

/** The first time counts. */
export async function completeOnboarding(db: Queryable, orgId: Uuid): Promise<OrganizationRow | null> {
  await db.run(ONBOARDED, [orgId]);
  return findOrganization(db, orgId);
}

/** From here until the transaction ends nobody else changes who belongs to it. False: there is no such organization any more. */
export async function lockMembers(tx: Queryable, orgId: Uuid): Promise<boolean> {
  return (await tx.run(LOCK, [orgId])).length > 0;
}

/** Where things with public ids are. Clients choose agents' ids, so one may be in several organizations. */
const PLACES = {
  organization: `select id as org_id from organizations where id = $1 and deleted_at is null`,
  agent: `select org_id from agents where id = $1 and status <> 'deleted'`,
  harness: `select org_id from harnesses where id = $1 and status <> 'deleted'`,
  session: `select org_id from sessions where id = $1 and deleted_at is null`,
  provider: `select org_id from providers where id = $1 and deleted_at is null`,
  model: `select org_id from models where id = $1 and deleted_at is null`,
  mcp: `select org_id from mcp_servers where id = $1 and status <> 'deleted'`,
  skill: `select org_id from skills where id = $1 and status <> 'deleted'`,
  workspace: `select org_id from workspaces where id = $1 and status <> 'deleted'`,
  memory: `select org_id from memories where id = $1 and status <> 'deleted'`,
  knowledge_base: `select org_id from knowledge_bases where id = $1 and status <> 'deleted'`,
  image: `select org_id from images where id = $1`,
  budget: `select org_id from budgets where id = $1 and deleted_at is null`,
} as const;

export type PlacedKind = keyof typeof PLACES;
export const PLACED_KINDS = Object.keys(PLACES) as readonly PlacedKind[];

interface FoundOrganization extends Row {
  id: Uuid;
  name: string;
}

/** The oldest organization of the user that has it. Of others nothing is told. */
export async function organizationOf(
  db: Queryable,
  { kind, id, userId }: { kind: PlacedKind; id: Uuid; userId: Uuid },
): Promise<FoundOrganization[]> {
  const statement: Statement = {
    name: `org_of_${kind}`,
    text: `select o.id, o.name from (${PLACES[kind]}) p join org_members m on m.org_id = p.org_id and m.user_id = $2
      join organizations o on o.id = p.org_id order by o.created_at, o.id`,
  };
  return db.run<FoundOrganization>(statement, [id, userId]);
}
