import type { Role, Uuid } from '@everruns/contract';
import type { Database, Queryable, Row, Statement } from '../database.ts';
import { insertLimited } from '../limits.ts';

/** Users that are programs: each a member of one organization, found there and nowhere else. */

export interface ServiceAccountRow extends Row {
  id: Uuid;
  name: string;
  description: string | null;
  role: Role;
  /** Tokens that have not expired. */
  token_count: number;
  last_used_at: Date | null;
  created_at: Date;
  updated_at: Date;
}

export interface NewServiceAccount {
  id: Uuid;
  name: string;
  description: string | null;
  role: Role;
  createdBy: Uuid;
  /** Of the organization; 0 = no limit. */
  limit: number;
}

export interface ServiceAccountChanges {
  name?: string | undefined;
  /** Null clears it. */
  description?: string | null | undefined;
  role?: Role | undefined;
}

const SELECT = `select u.id, u.name, s.description, m.role, u.created_at, u.updated_at, t.token_count, t.last_used_at
  from service_accounts s join users u on u.id = s.user_id join org_members m on m.org_id = s.org_id and m.user_id = s.user_id,
  lateral (select count(*) filter (where expires_at is null or expires_at > engine_now()) as token_count, max(last_used_at) as last_used_at
    from personal_access_tokens where user_id = s.user_id) t`;
const LIST: Statement = { name: 'service_account_list', text: `${SELECT} where s.org_id = $1 order by u.created_at, u.id` };
const FIND: Statement = { name: 'service_account_find', text: `${SELECT} where s.org_id = $1 and s.user_id = $2` };
/** An address has to be there and has to be no other's; nobody can have one under `invalid` (RFC 2606). */
const INSERT: Statement = {
  name: 'service_account_insert',
  text: `with wanted as (select where $7::int = 0 or $7 > (select count(*) from service_accounts where org_id = $1)),
      u as (insert into users (id, kind, email, name) select $2::uuid, 'service', $2::uuid::text || '@service-account.invalid', $3 from wanted returning id),
      m as (insert into org_members (org_id, user_id, role) select $1::uuid, id, $5 from u)
    insert into service_accounts (user_id, org_id, description, created_by) select id, $1, $4, $6 from u returning user_id as id`,
};
const UPDATE: Statement = {
  name: 'service_account_update',
  text: `with s as (select user_id from service_accounts where org_id = $1 and user_id = $2 for update),
      u as (update users set name = coalesce($3, name), updated_at = engine_now() where id = (select user_id from s)),
      m as (update org_members set role = coalesce($4, role) where org_id = $1 and user_id = (select user_id from s))
    update service_accounts set description = case when $5 then $6 else description end where user_id = (select user_id from s)`,
};
/** Its tokens go with it. */
const DELETE: Statement = {
  name: 'service_account_delete',
  text: `with s as (select user_id from service_accounts where org_id = $1 and user_id = $2 for update),
      m as (delete from org_members where user_id = (select user_id from s))
    delete from users where id = (select user_id from s) and kind = 'service' returning id`,
};

export interface AccountKey {
  orgId: Uuid;
  id: Uuid;
}

/** Oldest first. */
export function listServiceAccounts(db: Queryable, orgId: Uuid): Promise<ServiceAccountRow[]> {
  return db.run<ServiceAccountRow>(LIST, [orgId]);
}

export async function findServiceAccount(db: Queryable, { orgId, id }: AccountKey): Promise<ServiceAccountRow | null> {
  return (await db.run<ServiceAccountRow>(FIND, [orgId, id]))[0] ?? null;
}

/** False when the organization has as many as there may be. */
export async function insertServiceAccount(db: Database, orgId: Uuid, account: NewServiceAccount): Promise<boolean> {
  const { id, name, description, role, createdBy, limit } = account;
  const values = [orgId, id, name, description, role, createdBy, limit];
  return (await insertLimited(db, { what: 'service_accounts', of: orgId }, [INSERT, values])).length > 0;
}

export async function updateServiceAccount(
  db: Queryable,
  { orgId, id }: AccountKey,
  { name, description, role }: ServiceAccountChanges,
): Promise<void> {
  await db.run(UPDATE, [orgId, id, name ?? null, role ?? null, description !== undefined, description ?? null]);
}

export async function deleteServiceAccount(db: Queryable, { orgId, id }: AccountKey): Promise<boolean> {
  return (await db.run(DELETE, [orgId, id])).length > 0;
}
