import type { Uuid } from '@everruns/contract';
import type { Queryable, Row, Statement } from '../database.ts';
import { KNOWN_USER_COLUMNS, knownUserOf, NOT_ANONYMOUS } from './known-users.ts';
import type { KnownUser, KnownUserRow } from './known-users.ts';

/** Logins and the refresh tokens that keep them alive. A login session is locked before its tokens. */

export interface PasswordOwner extends Row {
  id: Uuid;
  password_hash: string | null;
  is_verified: boolean;
}

export interface NewLogin {
  sessionId: Uuid;
  userId: Uuid;
  /** The hash that the password was checked against; null when something else than a password was checked. */
  passwordHash: string | null;
  refreshHash: Buffer;
  lifetimeSecs: number;
  userAgent: string | null;
  ip: string | null;
}

const PASSWORD_OWNER: Statement = {
  name: 'login_password_owner',
  text: `select u.id, u.password_hash, u.email_verified_at is not null as is_verified from users u
    where u.email = $1 and u.kind = 'person' and ${NOT_ANONYMOUS}`,
};
/** The share lock makes it wait for a password that is being changed: with the old one, nobody gets in any more. */
const OPEN: Statement = {
  name: 'login_open',
  text: `with owner as (
      select id from users where id = $2 and kind = 'person' and ($3::text is null or password_hash = $3) for share),
    session as (
      insert into login_sessions (id, user_id, user_agent, ip, expires_at)
      select $1, id, $6, $7, engine_now() + $5::int * interval '1 second' from owner returning id, user_id),
    token as (
      insert into refresh_tokens (token_hash, login_session_id, expires_at)
      select $4, id, engine_now() + $5::int * interval '1 second' from session)
    select ${KNOWN_USER_COLUMNS} from session s join users u on u.id = s.user_id where ${NOT_ANONYMOUS}`,
};
/** Of two at once, the second waits for the first one's lock and then finds the token spent. */
const ROTATE: Statement = {
  name: 'login_rotate',
  text: `with session as (
      select s.id from login_sessions s
      where s.id = (select login_session_id from refresh_tokens where token_hash = $1) and s.expires_at > engine_now() for update),
    spent as (
      update refresh_tokens r set spent_at = engine_now() from session s
      where r.token_hash = $1 and r.login_session_id = s.id and r.spent_at is null and r.expires_at > engine_now() returning s.id),
    token as (
      insert into refresh_tokens (token_hash, login_session_id, expires_at)
      select $2, id, engine_now() + $3::int * interval '1 second' from spent),
    kept as (
      update login_sessions s set expires_at = engine_now() + $3::int * interval '1 second' from spent where s.id = spent.id
      returning s.id, s.user_id)
    select k.id as session_id, ${KNOWN_USER_COLUMNS} from kept k join users u on u.id = k.user_id where u.kind = 'person' and ${NOT_ANONYMOUS}`,
};
const END_REPLAYED: Statement = {
  name: 'login_end_replayed',
  text: `delete from login_sessions s using refresh_tokens r
    where r.token_hash = $1 and s.id = r.login_session_id and r.spent_at < engine_now() - $2::int * interval '1 second' returning s.id`,
};
const END: Statement = { name: 'login_end', text: `delete from login_sessions where id = $1 returning id` };
const END_BY_TOKEN: Statement = {
  name: 'login_end_by_token',
  text: `delete from login_sessions s using refresh_tokens r where r.token_hash = $1 and s.id = r.login_session_id returning s.id`,
};
const END_ALL: Statement = { name: 'login_end_all', text: `delete from login_sessions where user_id = $1` };

/** Whose password it would have to be; null for an address that nobody has. */
export async function findPasswordOwner(db: Queryable, email: string): Promise<PasswordOwner | null> {
  return (await db.run<PasswordOwner>(PASSWORD_OWNER, [email]))[0] ?? null;
}

/** Null when the user is gone, or the password is another one by now. */
export async function openLogin(db: Queryable, login: NewLogin): Promise<KnownUser | null> {
  const { sessionId, userId, passwordHash, refreshHash, lifetimeSecs, userAgent, ip } = login;
  const [row] = await db.run<KnownUserRow>(OPEN, [sessionId, userId, passwordHash, refreshHash, lifetimeSecs, userAgent, ip]);
  return row === undefined ? null : knownUserOf(row);
}

/** Spends one refresh token for another. Null when it cannot be spent: unknown, expired, spent already, or its login has ended. */
export async function rotateLogin(
  db: Queryable,
  { hash, nextHash, lifetimeSecs }: { hash: Buffer; nextHash: Buffer; lifetimeSecs: number },
): Promise<{ sessionId: Uuid; user: KnownUser } | null> {
  const [row] = await db.run<KnownUserRow & { session_id: Uuid }>(ROTATE, [hash, nextHash, lifetimeSecs]);
  return row === undefined ? null : { sessionId: row.session_id, user: knownUserOf(row) };
}

/** Ends the login whose refresh token was spent longer ago than `graceSecs`: two have it, and one of them has no right to. */
export async function endReplayedLogin(db: Queryable, hash: Buffer, graceSecs: number): Promise<boolean> {
  return (await db.run(END_REPLAYED, [hash, graceSecs])).length > 0;
}

export async function endLogin(db: Queryable, sessionId: Uuid): Promise<boolean> {
  return (await db.run(END, [sessionId])).length > 0;
}

export async function endLoginOfToken(db: Queryable, hash: Buffer): Promise<boolean> {
  return (await db.run(END_BY_TOKEN, [hash])).length > 0;
}

/** In a transaction after what made them invalid, so that none that began meanwhile is missed. */
export async function endLogins(db: Queryable, userId: Uuid): Promise<void> {
  await db.run(END_ALL, [userId]);
}
