import type { Uuid } from '@everruns/contract';
import type { Queryable, Row, Statement } from '../database.ts';

export interface OrganizationFields {
  name: string;
  default_harness_id: Uuid | null;
  base_harness_id: Uuid | null;
  default_model_id: Uuid | null;
  default_provider_per_service: Record<string, string>;
}

export interface OrganizationRow extends OrganizationFields, Row {
  id: Uuid;
  onboarding_completed_at: Date | null;
  created_at: Date;
  updated_at: Date;
}

export interface UserRow extends Row {
  id: Uuid;
  email: string;
  name: string;
  email_verified_at: Date | null;
  auth_provider: string | null;
  avatar_url: string | null;
  locale: string | null;
  timezone: string | null;
  created_at: Date;
}

export interface MembershipRow extends Row {
  org_id: Uuid;
  org_name: string;
  role: string;
}

const COLUMNS = `id, name, default_harness_id, base_harness_id, default_model_id, default_provider_per_service, onboarding_completed_at,
  created_at, updated_at`;
const OF_USER: Statement = {
  name: 'org_of_user',
  text: `select ${COLUMNS} from organizations where id in (select org_id from org_members where user_id = $1) order by created_at, id`,
};
const FIND: Statement = { name: 'org_find', text: `select ${COLUMNS} from organizations where id = $1` };
const ALL_IDS: Statement = { name: 'org_ids', text: 'select id from organizations where deleted_at is null order by created_at, id' };
const UPDATE: Statement = {
  name: 'org_update',
  text: `update organizations o set name = n.name, default_harness_id = n.default_harness_id, base_harness_id = n.base_harness_id,
      default_model_id = n.default_model_id, default_provider_per_service = n.default_provider_per_service, updated_at = clock_timestamp()
    from (select x.id as key, n.* from organizations x cross join lateral jsonb_populate_record(x, $2) n where x.id = $1 for update of x) n
    where o.id = n.key returning ${COLUMNS.split(',')
      .map((column) => `o.${column.trim()}`)
      .join(', ')}`,
};
const USER_COLUMNS = 'id, email, name, email_verified_at, auth_provider, avatar_url, locale, timezone, created_at';
const FIND_USER: Statement = { name: 'user_find', text: `select ${USER_COLUMNS} from users where id = $1` };
const UPDATE_USER: Statement = {
  name: 'user_update',
  text: `update users u set name = n.name, locale = n.locale, timezone = n.timezone, updated_at = clock_timestamp()
    from (select x.id as key, n.* from users x cross join lateral jsonb_populate_record(x, $2) n where x.id = $1 for update of x) n
    where u.id = n.key returning u.id, u.email, u.name, u.email_verified_at, u.auth_provider, u.avatar_url, u.locale, u.timezone, u.created_at`,
};
const MEMBERS: Statement = {
  name: 'org_users',
  text: `select u.id, u.email, u.name, u.email_verified_at, u.auth_provider, u.avatar_url, u.locale, u.timezone, u.created_at, m.role
    from org_members m join users u on u.id = m.user_id
    where m.org_id = $1 and u.kind = 'person' and not exists (select from unnest($2::text[]) t
      where position(lower(t collate "pg_c_utf8") in lower((u.name || ' ' || u.email) collate "pg_c_utf8")) = 0)
    order by u.created_at, u.id`,
};
const MEMBERSHIPS: Statement = {
  name: 'user_memberships',
  text: `select m.org_id, o.name as org_name, m.role from org_members m join organizations o on o.id = m.org_id
    where m.user_id = $1 order by o.created_at, o.id`,
};

export async function listOrganizations(db: Queryable, userId: Uuid): Promise<OrganizationRow[]> {
  return db.run<OrganizationRow>(OF_USER, [userId]);
}

export async function findOrganization(db: Queryable, orgId: Uuid): Promise<OrganizationRow | null> {
  return (await db.run<OrganizationRow>(FIND, [orgId]))[0] ?? null;
}

export async function listOrganizationIds(db: Queryable): Promise<Uuid[]> {
  return (await db.run<{ id: Uuid }>(ALL_IDS)).map((row) => row.id);
}

export async function updateOrganization(
  db: Queryable,
  orgId: Uuid,
  changes: Partial<OrganizationFields>,
): Promise<OrganizationRow | null> {
  return (await db.run<OrganizationRow>(UPDATE, [orgId, JSON.stringify(changes)]))[0] ?? null;
}

export async function findUser(db: Queryable, userId: Uuid): Promise<UserRow | null> {
  return (await db.run<UserRow>(FIND_USER, [userId]))[0] ?? null;
}

export type UserChanges = Partial<Pick<UserRow, 'name' | 'locale' | 'timezone'>>;

export async function updateUser(db: Queryable, userId: Uuid, changes: UserChanges): Promise<UserRow | null> {
  return (await db.run<UserRow>(UPDATE_USER, [userId, JSON.stringify(changes)]))[0] ?? null;
}

export async function listMembers(db: Queryable, orgId: Uuid, tokens: readonly string[]): Promise<(UserRow & { role: string })[]> {
  return db.run<UserRow & { role: string }>(MEMBERS, [orgId, tokens]);
}

export async function listMemberships(db: Queryable, userId: Uuid): Promise<MembershipRow[]> {
  return db.run<MembershipRow>(MEMBERSHIPS, [userId]);
}
