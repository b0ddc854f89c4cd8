import type { Uuid } from '@everruns/contract';
import pg from 'pg';
import type { Database, Queryable, Row, Statement } from '../database.ts';
import { lockLimit } from '../limits.ts';
import { KNOWN_USER_COLUMNS, knownUserOf, NOT_ANONYMOUS } from './known-users.ts';
import type { KnownUser, KnownUserRow } from './known-users.ts';

/** Tokens for programs. What is stored of one is its hash; the token itself is seen once, by whoever made it. */

export interface TokenMetadata {
  source?: string;
  hostname?: string;
  os?: string;
  ip?: string;
}

export interface TokenRow extends Row {
  id: Uuid;
  /** Null: every organization of the user. */
  org_id: Uuid | null;
  name: string;
  token_prefix: string;
  scopes: string[];
  metadata: TokenMetadata;
  expires_at: Date | null;
  last_used_at: Date | null;
  created_at: Date;
}

export interface NewToken {
  id: Uuid;
  userId: Uuid;
  orgId: Uuid | null;
  /** The token that it is made with. */
  madeWith: Uuid | null;
  name: string;
  /** SHA-256 of the token. */
  hash: Uint8Array;
  prefix: string;
  scopes: readonly string[];
  metadata: TokenMetadata;
  expiresInSecs: number | null;
  /** Tokens that the user may have that have not expired; 0 = no limit. */
  limit: number;
}

/** Whose tokens, and which of them: those of one organization, or all. */
export interface TokenOwner {
  userId: Uuid;
  orgId: Uuid | null;
}

/** A token that can be used now. */
export interface TokenOwnership {
  tokenId: Uuid;
  owner: KnownUser;
  scopes: string[];
  boundOrgId: Uuid | null;
}

const COLUMNS = 'id, org_id, name, token_prefix, scopes, metadata, expires_at, last_used_at, created_at';
const LIST: Statement = {
  name: 'token_list',
  text: `select ${COLUMNS} from personal_access_tokens where user_id = $1 and ($2::uuid is null or org_id = $2)
    order by created_at desc, id desc`,
};
/** A token of one organization ends with the membership there. */
const OWNER: Statement = {
  name: 'identity_of_token',
  text: `select t.id as token_id, t.scopes, t.org_id as bound_org_id, ${KNOWN_USER_COLUMNS}
    from personal_access_tokens t join users u on u.id = t.user_id
    where t.token_hash = $1 and (t.expires_at is null or t.expires_at > engine_now()) and ${NOT_ANONYMOUS}`,
};
const FIND: Statement = {
  name: 'token_find',
  text: `select t.org_id, t.scopes, u.kind as owner_kind from personal_access_tokens t join users u on u.id = t.user_id where t.id = $1`,
};
const DELETE: Statement = {
  name: 'token_delete',
  text: `delete from personal_access_tokens where user_id = $1 and ($2::uuid is null or org_id = $2) and id = $3
    returning ${COLUMNS}`,
};
const DELETE_ALL: Statement = { name: 'token_delete_all', text: 'delete from personal_access_tokens where user_id = $1' };
/** Never later than the token that it is made with; and gone with it, when both are the same user's. */
const INSERT: Statement = {
  name: 'token_insert',
  text: `with maker as materialized (select id, user_id, expires_at from personal_access_tokens where id = $4 for key share)
    insert into personal_access_tokens (id, user_id, org_id, made_with, name, token_hash, token_prefix, scopes, metadata, expires_at)
    select $1, $2, $3, (select id from maker where user_id = $2), $5, $6, $7, $8, $9,
      least(engine_now() + make_interval(secs => $10), (select expires_at from maker))
    where ($4::uuid is null or exists (select from maker))
      and ($11::int = 0 or $11 > (select count(*) from personal_access_tokens
        where user_id = $2 and (expires_at is null or expires_at > engine_now())))
    returning ${COLUMNS}`,
};
/** Not more than once a minute, whichever instance it was used on. */
const TOUCH: Statement = {
  name: 'token_touch',
  text: `update personal_access_tokens set last_used_at = engine_now()
    where id = $1 and (last_used_at is null or last_used_at < engine_now() - interval '1 minute')`,
};

type OwnerRow = KnownUserRow & { token_id: Uuid; scopes: string[]; bound_org_id: Uuid | null };

/** Null for a token that is not there, has expired, or is the anonymous user's. */
export async function findTokenOwner(db: Queryable, hash: Uint8Array): Promise<TokenOwnership | null> {
  const [row] = await db.run<OwnerRow>(OWNER, [hash]);
  if (row === undefined) return null;
  return { tokenId: row.token_id, owner: knownUserOf(row), scopes: row.scopes, boundOrgId: row.bound_org_id };
}

/** Newest first, also those that have expired. */
export function listTokens(db: Queryable, { userId, orgId }: TokenOwner): Promise<TokenRow[]> {
  return db.run<TokenRow>(LIST, [userId, orgId]);
}

/** What it takes to see whether a token may make another. */
export interface MakerRow extends Row {
  org_id: Uuid | null;
  scopes: string[];
  owner_kind: 'person' | 'service';
}

export async function findMaker(db: Queryable, id: Uuid): Promise<MakerRow | null> {
  return (await db.run<MakerRow>(FIND, [id]))[0] ?? null;
}

/**
 * `limit`: the user has as many as there may be. `gone`: the user, the membership in the organization, or the token that it should be made with is not there
 * any more.
 */
export async function insertToken(db: Database, token: NewToken): Promise<TokenRow | 'limit' | 'gone'> {
  try {
    const row = await db.transaction((tx) => addToken(tx, token));
    if (row !== null) return row;
  } catch (error) {
    if (isReferenceViolation(error)) return 'gone';
    throw error;
  }
  return token.madeWith === null || (await findMaker(db, token.madeWith)) !== null ? 'limit' : 'gone';
}

/** Within a transaction that does more; null at the limit. Throws when what the token refers to is gone. */
export async function addToken(tx: Queryable, token: NewToken): Promise<TokenRow | null> {
  const { id, userId, orgId, madeWith, name, hash, prefix, scopes, metadata, expiresInSecs, limit } = token;
  const values = [id, userId, orgId, madeWith, name, hash, prefix, scopes, JSON.stringify(metadata), expiresInSecs, limit];
  const [, rows] = await Promise.all([lockLimit(tx, { what: 'personal_access_tokens', of: userId }), tx.run<TokenRow>(INSERT, values)]);
  return rows[0] ?? null;
}

export function isReferenceViolation(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.code === '23503';
}

/** The token that was there, or null. Those that were made with it go with it. */
export async function deleteToken(db: Queryable, { userId, orgId }: TokenOwner, id: Uuid): Promise<TokenRow | null> {
  return (await db.run<TokenRow>(DELETE, [userId, orgId, id]))[0] ?? null;
}

export async function deleteTokensOf(db: Queryable, userId: Uuid): Promise<void> {
  await db.run(DELETE_ALL, [userId]);
}

export async function touchToken(db: Queryable, id: Uuid): Promise<void> {
  await db.run(TOUCH, [id]);
}
