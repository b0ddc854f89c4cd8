import type { Uuid } from '@everruns/contract';
import { isReferenceViolation } from '../identity/tokens.ts';
import { KNOWN_USER_COLUMNS, knownUserOf, NOT_ANONYMOUS } from '../identity/known-users.ts';
import type { KnownUser, KnownUserRow } from '../identity/known-users.ts';
import type { Queryable, Row, Statement } from '../database.ts';
import type { OAuthPayload } from './grants.ts';

/** Codes and tokens, by the SHA-256 of what their holder has. */

export type OAuthTokenKind = 'AuthorizationCode' | 'AccessToken' | 'RefreshToken';

export interface OAuthToken {
  hash: Uint8Array;
  kind: OAuthTokenKind;
  grantId: Uuid;
  payload: OAuthPayload;
  expiresInSecs: number;
}

export interface FoundOAuthToken {
  payload: OAuthPayload;
  /** Seconds since 1970. */
  expiresAt: number;
  spentAt: number | null;
  /** Spent less than `RETRY_SECS` ago. */
  isJustSpent: boolean;
}

/** Within this time a spent refresh token that is shown again is taken for a request that was sent twice, not for a stolen token. */
const RETRY_SECS = 10;

const INSERT: Statement = {
  name: 'oauth_token_insert',
  text: `insert into oauth_tokens (token_hash, kind, grant_id, payload, expires_at)
    values ($1, $2, $3, $4, engine_now() + make_interval(secs => $5))`,
};
/** A grant lives as long as its youngest refresh token. */
const INSERT_REFRESH: Statement = {
  name: 'oauth_token_insert_refresh',
  text: `with grown as (
      update oauth_grants set last_used_at = engine_now(), expires_at = greatest(expires_at, engine_now() + make_interval(secs => $5))
      where id = $3)
    insert into oauth_tokens (token_hash, kind, grant_id, payload, expires_at)
    values ($1, $2, $3, $4, engine_now() + make_interval(secs => $5))`,
};
const FIND: Statement = {
  name: 'oauth_token_find',
  text: `select payload, extract(epoch from expires_at)::float8 as expires_at, extract(epoch from spent_at)::float8 as spent_at,
      coalesce(spent_at > engine_now() - interval '${RETRY_SECS} seconds', false) as just_spent
    from oauth_tokens where token_hash = $1 and kind = $2 and expires_at > engine_now()`,
};
const SPEND: Statement = {
  name: 'oauth_token_spend',
  text: 'update oauth_tokens set spent_at = engine_now() where token_hash = $1 and kind = $2 and spent_at is null returning true as spent',
};
const DELETE: Statement = { name: 'oauth_token_delete', text: 'delete from oauth_tokens where token_hash = $1 and kind = $2' };
const DELETE_OF_GRANT: Statement = { name: 'oauth_tokens_of_grant', text: 'delete from oauth_tokens where grant_id = $1 and kind = $2' };
const DELETE_GRANT_OF: Statement = {
  name: 'oauth_grant_of_token_delete',
  text: 'delete from oauth_grants where id = (select grant_id from oauth_tokens where token_hash = $1 and kind = $2)',
};
const ACCESS: Statement = {
  name: 'oauth_access',
  text: `select g.id as grant_id, t.payload ->> 'aud' as audience, ${KNOWN_USER_COLUMNS}
    from oauth_tokens t join oauth_grants g on g.id = t.grant_id join users u on u.id = g.user_id
    where t.token_hash = $1 and t.kind = 'AccessToken' and t.expires_at > engine_now() and g.expires_at > engine_now()
      and u.kind = 'person' and ${NOT_ANONYMOUS}`,
};

interface TokenRow extends Row {
  payload: OAuthPayload;
  expires_at: number;
  spent_at: number | null;
  just_spent: boolean;
}

/** False when the grant has been revoked meanwhile. */
export async function insertOAuthToken(db: Queryable, { hash, kind, grantId, payload, expiresInSecs }: OAuthToken): Promise<boolean> {
  try {
    const statement = kind === 'RefreshToken' ? INSERT_REFRESH : INSERT;
    await db.run(statement, [hash, kind, grantId, JSON.stringify(payload), expiresInSecs]);
    return true;
  } catch (error) {
    if (isReferenceViolation(error)) return false;
    throw error;
  }
}

export async function findOAuthToken(db: Queryable, kind: OAuthTokenKind, hash: Uint8Array): Promise<FoundOAuthToken | null> {
  const [row] = await db.run<TokenRow>(FIND, [hash, kind]);
  if (row === undefined) return null;
  const { payload, expires_at: expiresAt, spent_at: spentAt, just_spent: isJustSpent } = row;
  return { payload, expiresAt: Math.floor(expiresAt), spentAt: spentAt === null ? null : Math.floor(spentAt), isJustSpent };
}

/** True for one caller alone, however many show it at once. */
export async function spendOAuthToken(db: Queryable, kind: OAuthTokenKind, hash: Uint8Array): Promise<boolean> {
  return (await db.run(SPEND, [hash, kind])).length > 0;
}

export async function deleteOAuthToken(db: Queryable, kind: OAuthTokenKind, hash: Uint8Array): Promise<void> {
  await db.run(DELETE, [hash, kind]);
}

export async function deleteOAuthTokensOf(db: Queryable, kind: OAuthTokenKind, grantId: Uuid): Promise<void> {
  await db.run(DELETE_OF_GRANT, [grantId, kind]);
}

export async function deleteOAuthGrantOfToken(db: Queryable, kind: OAuthTokenKind, hash: Uint8Array): Promise<void> {
  await db.run(DELETE_GRANT_OF, [hash, kind]);
}

export interface OAuthAccess {
  grantId: Uuid;
  /** The resource that it was given for. */
  audience: string;
  user: KnownUser;
}

/** Whom an access token lets in, as long as it and its grant last. */
export async function findOAuthAccess(db: Queryable, hash: Uint8Array): Promise<OAuthAccess | null> {
  const [row] = await db.run<KnownUserRow & { grant_id: Uuid; audience: string }>(ACCESS, [hash]);
  return row === undefined ? null : { grantId: row.grant_id, audience: row.audience, user: knownUserOf(row) };
}
