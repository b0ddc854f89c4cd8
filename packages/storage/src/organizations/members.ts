import { mayGrant, ROLES } from '@everruns/contract';
import type { Role, Uuid } from '@everruns/contract';
import type { Database, Queryable, Row, Statement } from '../database.ts';
import { lockMembers } from './organizations.ts';

/** People of an organization. Accounts of services are members too, but are kept elsewhere, and nothing here touches them. */

export interface MemberRow extends Row {
  user_id: Uuid;
  email: string;
  name: string;
  avatar_url: string | null;
  role: Role;
  created_at: Date;
}

const COLUMNS = 'm.user_id, u.email, u.name, u.avatar_url, m.role, m.created_at';
const LIST: Statement = {
  name: 'member_list',
  text: `select ${COLUMNS} from org_members m join users u on u.id = m.user_id where m.org_id = $1 and u.kind = 'person'
    order by m.created_at, m.user_id`,
};
const FIND: Statement = {
  name: 'member_find',
  text: `select ${COLUMNS} from org_members m join users u on u.id = m.user_id
    where m.org_id = $1 and m.user_id = $2 and u.kind = 'person' for update of m`,
};
const OTHER_OWNERS: Statement = {
  name: 'member_other_owners',
  text: `select count(*)::int as n from org_members m join users u on u.id = m.user_id
    where m.org_id = $1 and m.user_id <> $2 and m.role = 'owner' and u.kind = 'person'`,
};
const SET_ROLE: Statement = { name: 'member_set_role', text: 'update org_members set role = $3 where org_id = $1 and user_id = $2' };
/** What somebody has offered to others goes no further than what they may still give. */
const TAKE_BACK: Statement = {
  name: 'member_take_back_invitations',
  text: `update org_invitations set revoked_at = engine_now()
    where org_id = $1 and invited_by = $2 and accepted_at is null and revoked_at is null and not role = any($3::text[])`,
};
/** Tokens that are bound to the membership go with it; keys of the user for services outside were for this organization. */
const REMOVE: Statement = {
  name: 'member_remove',
  text: `with k as (delete from user_connections where org_id = $1 and user_id = $2)
    delete from org_members where org_id = $1 and user_id = $2`,
};

export async function listPeople(db: Queryable, orgId: Uuid): Promise<MemberRow[]> {
  return db.run<MemberRow>(LIST, [orgId]);
}

export interface MemberChange {
  orgId: Uuid;
  userId: Uuid;
  /** Who wants it. */
  by: Uuid;
}

/** `missing`: no such member; `forbidden`: it would touch or give a role above the own; `last_owner`: nobody would own it any more. */
export type MemberRefusal = 'missing' | 'forbidden' | 'last_owner';

/** The role of whoever asks is read again behind the lock: two owners that demote each other cannot both be right. */
export function changeRole(
  db: Database,
  { orgId, userId, by, role }: MemberChange & { role: Role },
): Promise<{ member: MemberRow; before: Role } | MemberRefusal> {
  return db.transaction(async (tx) => {
    const found = await findBoth(tx, { orgId, userId, by });
    if (typeof found === 'string') return found;
    const { member, asking } = found;
    if (!mayGrant(asking.role, role) || !mayGrant(asking.role, member.role)) return 'forbidden';
    if (member.role === 'owner' && role !== 'owner' && !(await hasOtherOwner(tx, orgId, userId))) return 'last_owner';
    await tx.run(SET_ROLE, [orgId, userId, role]);
    await tx.run(TAKE_BACK, [orgId, userId, role === 'member' ? [] : ROLES.filter((given) => mayGrant(role, given))]);
    return { member: { ...member, role }, before: member.role };
  });
}

/** Somebody leaves, or is removed. */
export function removeMember(db: Database, { orgId, userId, by }: MemberChange): Promise<'removed' | MemberRefusal> {
  return db.transaction(async (tx) => {
    const found = await findBoth(tx, { orgId, userId, by });
    if (typeof found === 'string') return found;
    const { member, asking } = found;
    if (userId !== by && (asking.role === 'member' || !mayGrant(asking.role, member.role))) return 'forbidden';
    if (member.role === 'owner' && !(await hasOtherOwner(tx, orgId, userId))) return 'last_owner';
    await tx.run(REMOVE, [orgId, userId]);
    await tx.run(TAKE_BACK, [orgId, userId, []]);
    return 'removed';
  });
}

async function findBoth(
  tx: Queryable,
  { orgId, userId, by }: MemberChange,
): Promise<{ member: MemberRow; asking: { role: Role } } | 'missing' | 'forbidden'> {
  if (!(await lockMembers(tx, orgId))) return 'missing';
  const [member] = await tx.run<MemberRow>(FIND, [orgId, userId]);
  if (member === undefined) return 'missing';
  const [asking] = userId === by ? [member] : await tx.run<{ role: Role }>(ASKING, [orgId, by]);
  return asking === undefined ? 'forbidden' : { member, asking };
}

/** May be the account of a service. */
const ASKING: Statement = { name: 'member_asking', text: 'select role from org_members where org_id = $1 and user_id = $2 for share' };

async function hasOtherOwner(tx: Queryable, orgId: Uuid, userId: Uuid): Promise<boolean> {
  return ((await tx.run<{ n: number }>(OTHER_OWNERS, [orgId, userId]))[0]?.n ?? 0) > 0;
}
