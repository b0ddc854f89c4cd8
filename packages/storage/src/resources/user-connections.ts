import type { Uuid } from '@everruns/contract';
import type { Database, Queryable, Row, Statement } from '../database.ts';
import { insertLimited } from '../limits.ts';

/** Keys of a user for services outside, in one organization. Nobody else sees them. */

export interface ConnectionOwner {
  orgId: Uuid;
  userId: Uuid;
}

export interface ConnectionRow extends Row {
  provider: string;
  created_at: Date;
  updated_at: Date;
}

const LIST: Statement = {
  name: 'user_connection_list',
  text: `select provider, created_at, updated_at from user_connections where org_id = $1 and user_id = $2 order by provider`,
};
const SEALED: Statement = {
  name: 'user_connection_sealed',
  text: `select provider, api_key_encrypted as sealed from user_connections where org_id = $1 and user_id = $2 order by provider`,
};
/** One that is there can always be replaced, so the limit counts only the others. */
const SET: Statement = {
  name: 'user_connection_set',
  text: `insert into user_connections as c (org_id, user_id, provider, api_key_encrypted)
    select $1, $2, $3, $4 where (select count(*) from user_connections where org_id = $1 and user_id = $2 and provider <> $3) < $5::int
    on conflict (org_id, user_id, provider) do update set api_key_encrypted = excluded.api_key_encrypted, updated_at = clock_timestamp()
    returning provider, created_at, updated_at`,
};
const DELETE: Statement = {
  name: 'user_connection_delete',
  text: `delete from user_connections where org_id = $1 and user_id = $2 and provider = $3 returning provider`,
};

/** Ordered by provider. */
export function listConnections(db: Queryable, { orgId, userId }: ConnectionOwner): Promise<ConnectionRow[]> {
  return db.run<ConnectionRow>(LIST, [orgId, userId]);
}

/** Keys as they are stored; the vault opens them. */
export function sealedConnections(db: Queryable, { orgId, userId }: ConnectionOwner): Promise<{ provider: string; sealed: unknown }[]> {
  return db.run<{ provider: string; sealed: unknown } & Row>(SEALED, [orgId, userId]);
}

/** `sealed` comes from the vault, sealed for `connectionPlace`. Null when the user has `limit` others. */
export async function setConnection(
  db: Database,
  { orgId, userId }: ConnectionOwner,
  { provider, sealed, limit }: { provider: string; sealed: unknown; limit: number },
): Promise<ConnectionRow | null> {
  const values = [orgId, userId, provider, JSON.stringify(sealed), limit];
  return (await insertLimited<ConnectionRow>(db, { what: `connections:${orgId}`, of: userId }, [SET, values]))[0] ?? null;
}

export async function deleteConnection(db: Queryable, { orgId, userId }: ConnectionOwner, provider: string): Promise<boolean> {
  return (await db.run(DELETE, [orgId, userId, provider])).length > 0;
}

/** What a key's ciphertext is bound to. */
export function connectionPlace(
  { orgId, userId }: ConnectionOwner,
  provider: string,
): { table: string; column: string; rowId: string; orgId: Uuid } {
  return { table: 'user_connections', column: 'api_key_encrypted', rowId: `${userId}/${provider}`, orgId };
}
