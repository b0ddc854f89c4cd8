import type { Role, Uuid } from '@everruns/contract';
import type { Database, Queryable, Row, Statement } from '../database.ts';
import { lockMembers } from './organizations.ts';

/** Of the token only the SHA-256 is here. Addresses come in canonical form: trimmed, in lower case. */

export interface InvitationRow extends Row {
  id: Uuid;
  email: string;
  role: Role;
  invited_by: Uuid | null;
  created_at: Date;
  expires_at: Date;
}

export interface NewInvitation {
  id: Uuid;
  orgId: Uuid;
  email: string;
  role: Role;
  tokenHash: Buffer;
  invitedBy: Uuid;
  lifetimeDays: number;
  /** Most members of the organization, invited ones included; 0 = no limit. */
  limit: number;
}

const COLUMNS = 'i.id, i.email, i.role, i.invited_by, i.created_at, i.expires_at';
const OPEN = 'i.accepted_at is null and i.revoked_at is null and i.expires_at > engine_now()';
const PEOPLE = `(select count(*) from org_members m join users u on u.id = m.user_id where m.org_id = $1 and u.kind = 'person')`;
const IS_MEMBER: Statement = {
  name: 'invitation_is_member',
  text: `select 1 from org_members m join users u on u.id = m.user_id where m.org_id = $1 and u.email = $2 and u.kind = 'person'`,
};
const REPLACE: Statement = {
  name: 'invitation_replace',
  text: `update org_invitations set revoked_at = engine_now() where org_id = $1 and email = $2 and accepted_at is null and revoked_at is null`,
};
const INSERT: Statement = {
  name: 'invitation_insert',
  text: `insert into org_invitations as i (id, org_id, email, role, token_hash, invited_by, created_at, expires_at)
    select $2, $1, $3, $4, $5, $6, engine_now(), engine_now() + $7::int * interval '1 day'
    where $8::int = 0 or ${PEOPLE} + (select count(*) from org_invitations i where i.org_id = $1 and ${OPEN}) < $8 returning ${COLUMNS}`,
};
const LIST: Statement = {
  name: 'invitation_list',
  text: `select ${COLUMNS} from org_invitations i where i.org_id = $1 and ${OPEN} order by i.created_at desc, i.id desc`,
};
const REVOKE: Statement = {
  name: 'invitation_revoke',
  text: `update org_invitations i set revoked_at = engine_now() where i.org_id = $1 and i.id = $2 and ${OPEN} returning i.id`,
};
const ORG_OF: Statement = {
  name: 'invitation_org',
  text: `select i.org_id from org_invitations i where i.token_hash = $1 and ${OPEN}`,
};
/** Whoever accepts must be the one whose address was asked, as their account says it now. */
const CLAIM: Statement = {
  name: 'invitation_claim',
  text: `select i.id, i.role, u.email_verified_at is not null as is_verified,
      exists (select 1 from org_members m where m.org_id = i.org_id and m.user_id = u.id) as is_member,
      ${PEOPLE}::int as people
    from org_invitations i join users u on u.id = $3 and u.email = i.email and u.kind = 'person'
    where i.org_id = $1 and i.token_hash = $2 and ${OPEN} for update of i`,
};
const ACCEPT: Statement = {
  name: 'invitation_accept',
  text: `with a as (update org_invitations set accepted_at = engine_now(), accepted_by = $2 where id = $1 returning org_id, role),
    m as (insert into org_members (org_id, user_id, role) select org_id, $2, role from a on conflict (org_id, user_id) do nothing)
    select o.id, o.name, coalesce((select role from org_members where org_id = o.id and user_id = $2), a.role) as role
    from a join organizations o on o.id = a.org_id`,
};

/** An older invitation of the same address gives way. `along` is written in the same transaction: the mail. */
export function createInvitation(
  db: Database,
  invitation: NewInvitation,
  along: (tx: Queryable) => Promise<void>,
): Promise<InvitationRow | 'missing' | 'already_member' | 'limit'> {
  const { id, orgId, email, role, tokenHash, invitedBy, lifetimeDays, limit } = invitation;
  return db.transaction(async (tx) => {
    if (!(await lockMembers(tx, orgId))) return 'missing';
    if ((await tx.run(IS_MEMBER, [orgId, email])).length > 0) return 'already_member';
    await tx.run(REPLACE, [orgId, email]);
    const [row] = await tx.run<InvitationRow>(INSERT, [orgId, id, email, role, tokenHash, invitedBy, lifetimeDays, limit]);
    if (row === undefined) return 'limit';
    await along(tx);
    return row;
  });
}

/** Those that can still be accepted, newest first. */
export async function listInvitations(db: Queryable, orgId: Uuid): Promise<InvitationRow[]> {
  return db.run<InvitationRow>(LIST, [orgId]);
}

export async function revokeInvitation(db: Queryable, orgId: Uuid, id: Uuid): Promise<boolean> {
  return (await db.run(REVOKE, [orgId, id])).length > 0;
}

interface Claimed extends Row {
  id: Uuid;
  role: Role;
  is_verified: boolean;
  is_member: boolean;
  people: number;
}

export interface Accepted extends Row {
  id: Uuid;
  name: string;
  /** The one that the user had already stays. */
  role: Role;
}

/** `missing`: no such token, no longer, or of another address. */
export function acceptInvitation(
  db: Database,
  { tokenHash, userId, limit }: { tokenHash: Buffer; userId: Uuid; limit: number },
): Promise<Accepted | 'missing' | 'unverified' | 'limit'> {
  return db.transaction(async (tx) => {
    const [found] = await tx.run<{ org_id: Uuid }>(ORG_OF, [tokenHash]);
    if (found === undefined || !(await lockMembers(tx, found.org_id))) return 'missing';
    const [claimed] = await tx.run<Claimed>(CLAIM, [found.org_id, tokenHash, userId]);
    if (claimed === undefined) return 'missing';
    if (!claimed.is_verified) return 'unverified';
    if (limit > 0 && !claimed.is_member && claimed.people >= limit) return 'limit';
    return (await tx.run<Accepted>(ACCEPT, [claimed.id, userId]))[0] as Accepted;
  });
}
