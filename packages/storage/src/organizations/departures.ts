import { ANONYMOUS_USER_ID, DEFAULT_ORG_ID } from '@everruns/contract';
import type { Role, Uuid } from '@everruns/contract';
import type { Database, Row, Statement } from '../database.ts';
import { lockMembers } from './organizations.ts';

/** Users that go, and organizations that nobody is left in. */

/** Whoever lets the user in somewhere at the same time waits, and finds nobody. */
const LOCK_USER: Statement = { name: 'departure_lock_user', text: `select id from users where id = $1 for update` };
const MEMBERSHIPS: Statement = {
  name: 'departure_memberships',
  text: 'select org_id from org_members where user_id = $1 order by org_id',
};
const LEFT_BEHIND: Statement = {
  name: 'departure_left_behind',
  text: `select (select m.role from org_members m where m.org_id = $1 and m.user_id = $2) as role, o.name,
      count(*) filter (where x.role = 'owner')::int as owners, count(x.user_id)::int as people
    from organizations o left join (org_members x join users u on u.id = x.user_id and u.kind = 'person') on x.org_id = o.id and x.user_id <> $2
    where o.id = $1 group by o.id, o.name`,
};
/** Its secrets can never be read again from here on: their keys go first. The rest goes in the background. */
const CLOSE: Statement = {
  name: 'departure_close_org',
  text: `with o as (update organizations set deleted_at = engine_now(), name = '', updated_at = clock_timestamp() where id = $1 returning id),
    k as (delete from org_encryption_keys where org_id = $1),
    i as (delete from org_invitations where org_id = $1),
    m as (delete from org_members where org_id = $1 returning user_id),
    a as (delete from users u using m where u.id = m.user_id and u.kind = 'service')
    select id from o`,
};
/** What was made for the user alone. Sessions stay the organization's; their owner is an id that names nobody any more. */
const FORGET: Statement = {
  name: 'departure_forget_user',
  text: `with p as (delete from session_pins where user_id = $1),
    m as (update memories set status = 'deleted', deleted_at = clock_timestamp()
      where scope = 'user' and owner_id = $1 and status <> 'deleted' returning workspace_id),
    f as (delete from files where workspace_id in (select workspace_id from m)),
    t as (delete from account_tokens where email = (select email from users where id = $1)),
    i as (delete from org_invitations where email = (select email from users where id = $1)),
    o as (delete from mail_outbox where recipient = (select email from users where id = $1)),
    g as (delete from org_members where user_id = $1)
    select 1`,
};
const DELETE_USER: Statement = { name: 'departure_delete_user', text: `delete from users where id = $1 and kind = 'person' returning id` };

interface Left extends Row {
  role: Role | null;
  name: string;
  /** Besides the user. */
  owners: number;
  people: number;
}

/** `left`: organizations that go on without the user; `closed`: those that nobody is in any more. */
export type Departure =
  | { kind: 'deleted'; left: Uuid[]; closed: Uuid[] }
  | { kind: 'last_owner'; orgId: Uuid; name: string }
  | { kind: 'missing' };

/** The account and everything that is of it alone. Refused while an organization with other people in it would have no owner. */
export function deleteUser(db: Database, userId: Uuid): Promise<Departure> {
  if (userId === ANONYMOUS_USER_ID) return Promise.resolve({ kind: 'missing' });
  return db.transaction(async (tx): Promise<Departure> => {
    const closed: Uuid[] = [];
    const others: Uuid[] = [];
    await tx.run(LOCK_USER, [userId]);
    for (const { org_id: orgId } of await tx.run<{ org_id: Uuid }>(MEMBERSHIPS, [userId])) {
      await lockMembers(tx, orgId);
      const [left] = await tx.run<Left>(LEFT_BEHIND, [orgId, userId]);
      if (left === undefined || left.role === null) continue;
      if (left.role === 'owner' && left.owners === 0 && left.people > 0) return { kind: 'last_owner', orgId, name: left.name };
      // The default organization is the installation's.
      if (left.people === 0 && orgId !== DEFAULT_ORG_ID) closed.push(orgId);
      else others.push(orgId);
    }
    await tx.run(FORGET, [userId]);
    for (const orgId of closed) await tx.run(CLOSE, [orgId]);
    return (await tx.run(DELETE_USER, [userId])).length > 0 ? { kind: 'deleted', left: others, closed } : { kind: 'missing' };
  });
}
