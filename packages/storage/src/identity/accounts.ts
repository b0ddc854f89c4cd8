import type { Role, Uuid } from '@everruns/contract';
import { DEFAULT_ORG_ID } from '@everruns/contract';
import type { Database, Queryable, Row, Statement } from '../database.ts';
import { NOT_ANONYMOUS } from './known-users.ts';
import { endLogins } from './logins.ts';
import { deleteTokensOf } from './tokens.ts';

/** Accounts of people and the proofs of their addresses. Addresses come in canonical form: trimmed, in lower case. */

/** What an account is made of once its address is proven. */
export interface Registration {
  name: string;
  passwordHash: string;
}

export interface NewAccountToken {
  id: Uuid;
  mailId: Uuid;
  email: string;
  hash: Buffer;
  lifetimeSecs: number;
}

/** What an account becomes when its address is proven, as the operator has set it. */
export interface Welcome {
  /** The operator's own address, in canonical form: platform user, and owner of the default organization. */
  operatorEmail: string | null;
  joinsDefaultOrg: boolean;
}

interface Used extends Row {
  email: string;
  name: string | null;
  password_hash: string | null;
}

const TOKEN = `insert into account_tokens (id, purpose, email, token_hash, name, password_hash, expires_at)`;
const MAIL = `insert into mail_outbox (id, kind, recipient, subject_id) select $2, 'account', $3, id from token`;
const ASK_RESET: Statement = {
  name: 'account_ask_reset',
  text: `with token as (${TOKEN} values ($1, 'reset', $3, $4, null, null, engine_now() + $5::int * interval '1 second') returning id) ${MAIL}`,
};
const REGISTER: Statement = {
  name: 'account_register',
  text: `with token as (${TOKEN} values ($1, 'verify', $3, $4, $6, $7, engine_now() + $5::int * interval '1 second') returning id) ${MAIL}`,
};
/** Goes on with the last registration that waits, if there is one. */
const ASK_AGAIN: Statement = {
  name: 'account_ask_again',
  text: `with token as (${TOKEN} select $1::uuid, 'verify', $3::text, $4::bytea, w.name, w.password_hash, engine_now() + $5::int * interval '1 second'
      from (select 1) as always left join lateral (select name, password_hash from account_tokens
        where email = $3 and purpose = 'verify' and password_hash is not null and expires_at > engine_now()
        order by created_at desc, id desc limit 1) w on true returning id) ${MAIL}`,
};
/** All of the address are locked first, in one order, since using one takes the others away. */
const USE: Statement = {
  name: 'account_token_use',
  text: `with locked as (
      select t.id, t.purpose, t.token_hash, t.expires_at from account_tokens t
      where t.email = (select email from account_tokens where token_hash = $1) order by t.id for update)
    delete from account_tokens t using locked l
    where t.id = l.id and l.token_hash = $1 and l.purpose = $2 and l.expires_at > engine_now() returning t.email, t.name, t.password_hash`,
};
const FORGET: Statement = { name: 'account_tokens_forget', text: `delete from account_tokens where email = $1` };
const CREATE: Statement = {
  name: 'account_create',
  text: `insert into users (id, email, name, auth_provider, password_hash) values ($1, $2, $3, 'password', $4)
    on conflict (email) do nothing returning id`,
};
/** An address that was proven before keeps its password. */
const CONFIRM_NEW: Statement = {
  name: 'account_confirm_new',
  text: `insert into users as u (id, email, name, auth_provider, password_hash, email_verified_at)
    values ($1, $2, $3, 'password', $4, engine_now())
    on conflict (email) do update set name = excluded.name, password_hash = excluded.password_hash, auth_provider = 'password',
      email_verified_at = engine_now(), updated_at = clock_timestamp()
    where u.email_verified_at is null and u.kind = 'person' and ${NOT_ANONYMOUS} returning id`,
};
const CONFIRM: Statement = {
  name: 'account_confirm',
  text: `update users u set email_verified_at = engine_now(), updated_at = clock_timestamp()
    where u.email = $1 and u.email_verified_at is null and u.kind = 'person' and ${NOT_ANONYMOUS} returning u.id`,
};
const SET_PASSWORD: Statement = {
  name: 'account_set_password',
  text: `update users u set password_hash = $2, email_verified_at = coalesce(u.email_verified_at, engine_now()), updated_at = clock_timestamp()
    from (select id, email_verified_at is not null as was_verified from users where email = $1 for update) before
    where u.id = before.id and u.kind = 'person' and ${NOT_ANONYMOUS} returning u.id, before.was_verified`,
};
const PROMOTE: Statement = {
  name: 'account_promote',
  text: `update users set is_platform_user = true where id = $1 and not is_platform_user`,
};
const JOIN: Statement = {
  name: 'account_join',
  text: `insert into org_members (org_id, user_id, role) values ($1, $2, $3) on conflict (org_id, user_id) do nothing`,
};
const OWN: Statement = {
  name: 'account_own',
  text: `insert into org_members as m (org_id, user_id, role) values ($1, $2, 'owner')
    on conflict (org_id, user_id) do update set role = 'owner' where m.role <> 'owner'`,
};
const ENSURE: Statement = {
  name: 'account_ensure',
  text: `insert into users as u (id, email, name, auth_provider, password_hash, email_verified_at)
    values ($1, $2, $3, 'password', $4, engine_now())
    on conflict (email) do update set email_verified_at = engine_now(),
      password_hash = case when u.email_verified_at is null then excluded.password_hash else coalesce(u.password_hash, excluded.password_hash) end
    where u.kind = 'person' and ${NOT_ANONYMOUS} returning id`,
};
const FORGET_GRANTS: Statement = { name: 'account_forget_grants', text: `delete from oauth_grants where user_id = $1` };
const LOCK: Statement = {
  name: 'account_lock',
  text: `select email_verified_at is not null as was_verified from users where email = $1 for update`,
};
const VERIFIED: Statement = {
  name: 'account_verified',
  text: `select u.id from users u where u.email = $1 and u.email_verified_at is not null and u.kind = 'person' and ${NOT_ANONYMOUS}`,
};

function valuesOf({ id, mailId, email, hash, lifetimeSecs }: NewAccountToken): unknown[] {
  return [id, mailId, email, hash, lifetimeSecs];
}

/** Notes that somebody wants a new password for this address, with the mail. Writes the same whether or not there is such an account. */
export async function askForReset(db: Queryable, token: NewAccountToken): Promise<void> {
  await db.run(ASK_RESET, valuesOf(token));
}

/** Notes a registration that waits for the proof of its address, with the mail. Writes the same whether or not there is such an account. */
export async function askToRegister(db: Queryable, token: NewAccountToken, { name, passwordHash }: Registration): Promise<void> {
  await db.run(REGISTER, [...valuesOf(token), name, passwordHash]);
}

/** Notes that somebody wants the proof of this address to be asked for again. Writes the same whether or not there is such an account. */
export async function askToVerify(db: Queryable, token: NewAccountToken): Promise<void> {
  await db.run(ASK_AGAIN, valuesOf(token));
}

/** An account whose address is not proven yet. False when the address has one. */
export async function createAccount(
  db: Queryable,
  { userId, email, name, passwordHash }: Registration & { userId: Uuid; email: string },
): Promise<boolean> {
  return (await db.run(CREATE, [userId, email, name, passwordHash])).length > 0;
}

/**
 * Whoever has this token reads the mails of its address. Null when it cannot be used, or there is nothing left to prove. `takesRegistrations`: a
 * registration that waits for its proof may still become an account.
 */
export function confirmAddress(
  db: Database,
  { hash, newUserId, takesRegistrations, welcome }: { hash: Buffer; newUserId: Uuid; takesRegistrations: boolean; welcome: Welcome },
): Promise<{ userId: Uuid; email: string } | null> {
  return db.transaction(async (tx) => {
    const [used] = await tx.run<Used>(USE, [hash, 'verify']);
    if (used === undefined) return null;
    const { email, name, password_hash: passwordHash } = used;
    if (passwordHash !== null && !takesRegistrations) return null;
    const [row] = await (passwordHash === null
      ? tx.run<{ id: Uuid }>(CONFIRM, [email])
      : tx.run<{ id: Uuid }>(CONFIRM_NEW, [newUserId, email, name, passwordHash]));
    if (row === undefined) return null;
    if (passwordHash !== null) await forgetPredecessor(tx, row.id);
    await tx.run(FORGET, [email]);
    await welcomeUser(tx, { userId: row.id, email }, welcome);
    return { userId: row.id, email };
  });
}

/** Sets the password, ends every login of the account, and takes the address for proven. Null when the token cannot be used. */
export function resetPassword(
  db: Database,
  { hash, passwordHash, welcome }: { hash: Buffer; passwordHash: string; welcome: Welcome },
): Promise<{ userId: Uuid; email: string } | null> {
  return db.transaction(async (tx) => {
    const [used] = await tx.run<Used>(USE, [hash, 'reset']);
    if (used === undefined) return null;
    const [owner] = await tx.run<{ id: Uuid; was_verified: boolean }>(SET_PASSWORD, [used.email, passwordHash]);
    if (owner === undefined) return null;
    await tx.run(FORGET, [used.email]);
    if (owner.was_verified) await endLogins(tx, owner.id);
    else await forgetPredecessor(tx, owner.id);
    if (!owner.was_verified) await welcomeUser(tx, { userId: owner.id, email: used.email }, welcome);
    return { userId: owner.id, email: used.email };
  });
}

/** Whoever used the account before its address was proven may be somebody else: what they have been let in with is worth nothing any more. */
async function forgetPredecessor(tx: Queryable, userId: Uuid): Promise<void> {
  await endLogins(tx, userId);
  await deleteTokensOf(tx, userId);
  await tx.run(FORGET_GRANTS, [userId]);
}

/** For everyone whose address has just been proven. Doing it twice is doing it once. */
export async function welcomeUser(db: Queryable, { userId, email }: { userId: Uuid; email: string }, welcome: Welcome): Promise<void> {
  if (email === welcome.operatorEmail) await makeOperator(db, userId);
  else if (welcome.joinsDefaultOrg) await joinOrganization(db, { orgId: DEFAULT_ORG_ID, userId, role: 'member' });
}

/** Leaves a role that is there already. */
export async function joinOrganization(db: Queryable, member: { orgId: Uuid; userId: Uuid; role: Role }): Promise<void> {
  await db.run(JOIN, [member.orgId, member.userId, member.role]);
}

async function makeOperator(db: Queryable, userId: Uuid): Promise<void> {
  await db.run(PROMOTE, [userId]);
  await db.run(OWN, [DEFAULT_ORG_ID, userId]);
}

/**
 * The operator's account, proven by being in the environment. A password that the operator has set there since is kept, unless the address
 * was not proven: then somebody else may have set it. Null when the address belongs to no person.
 */
export function ensureOperator(
  db: Database,
  account: { userId: Uuid; email: string; name: string; passwordHash: string | null },
): Promise<Uuid | null> {
  return db.transaction(async (tx) => {
    const [before] = await tx.run<{ was_verified: boolean }>(LOCK, [account.email]);
    const [row] = await tx.run<{ id: Uuid }>(ENSURE, [account.userId, account.email, account.name, account.passwordHash]);
    if (row === undefined) return null;
    if (before?.was_verified === false) await forgetPredecessor(tx, row.id);
    await makeOperator(tx, row.id);
    return row.id;
  });
}

/** Promotes the account of this address if there is one and its address is proven. */
export function promoteOperator(db: Database, email: string): Promise<boolean> {
  return db.transaction(async (tx) => {
    const [row] = await tx.run<{ id: Uuid }>(VERIFIED, [email]);
    if (row !== undefined) await makeOperator(tx, row.id);
    return row !== undefined;
  });
}
