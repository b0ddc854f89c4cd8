import type { Uuid } from '@everruns/contract';
import type { Queryable, Row, Statement } from '../database.ts';

/** What users have let clients do. A grant ends when it is deleted, and every code and token of it with it. */

export type OAuthPayload = Readonly<Record<string, unknown>>;

export interface OAuthGrant {
  id: Uuid;
  userId: Uuid;
  clientId: string;
  payload: OAuthPayload;
  expiresInSecs: number;
}

/** A grant as its user sees it. */
export interface AuthorizedAppRow extends Row {
  id: Uuid;
  client_id: string;
  client_name: string | null;
  redirect_uris: string[];
  created_at: Date;
  last_used_at: Date | null;
  expires_at: Date;
}

const SAVE: Statement = {
  name: 'oauth_grant_save',
  text: `insert into oauth_grants (id, user_id, client_id, payload, expires_at)
    values ($1, $2, $3, $4, engine_now() + make_interval(secs => $5))
    on conflict (id) do update set payload = excluded.payload, expires_at = greatest(oauth_grants.expires_at, excluded.expires_at)`,
};
const FIND: Statement = {
  name: 'oauth_grant_find',
  text: `select payload, extract(epoch from expires_at)::float8 as expires_at from oauth_grants where id = $1 and expires_at > engine_now()`,
};
const DELETE: Statement = { name: 'oauth_grant_delete', text: 'delete from oauth_grants where id = $1' };
const APPS = `select g.id, g.client_id, c.metadata ->> 'client_name' as client_name,
    coalesce(c.metadata -> 'redirect_uris', '[]') as redirect_uris, g.created_at, g.last_used_at, g.expires_at
  from oauth_grants g join oauth_clients c on c.id = g.client_id`;
const LIST: Statement = {
  name: 'oauth_grants_of_user',
  text: `${APPS} where g.user_id = $1 and g.expires_at > engine_now() order by g.created_at desc, g.id desc`,
};
const REVOKE: Statement = {
  name: 'oauth_grant_revoke',
  text: 'delete from oauth_grants where user_id = $1 and id = $2 and expires_at > engine_now() returning client_id',
};

export async function saveOAuthGrant(db: Queryable, { id, userId, clientId, payload, expiresInSecs }: OAuthGrant): Promise<void> {
  await db.run(SAVE, [id, userId, clientId, JSON.stringify(payload), expiresInSecs]);
}

/** `expiresAt` in seconds since 1970. Null when it has expired. */
export async function findOAuthGrant(db: Queryable, id: Uuid): Promise<{ payload: OAuthPayload; expiresAt: number } | null> {
  const [row] = await db.run<{ payload: OAuthPayload; expires_at: number }>(FIND, [id]);
  return row === undefined ? null : { payload: row.payload, expiresAt: Math.floor(row.expires_at) };
}

export async function deleteOAuthGrant(db: Queryable, id: Uuid): Promise<void> {
  await db.run(DELETE, [id]);
}

/** Newest first. */
export function listAuthorizedApps(db: Queryable, userId: Uuid): Promise<AuthorizedAppRow[]> {
  return db.run<AuthorizedAppRow>(LIST, [userId]);
}

/** The client that was let in until now, or null when this user has no such grant. */
export async function revokeAuthorizedApp(db: Queryable, userId: Uuid, id: Uuid): Promise<{ clientId: string } | null> {
  const [row] = await db.run<{ client_id: string }>(REVOKE, [userId, id]);
  return row === undefined ? null : { clientId: row.client_id };
}
