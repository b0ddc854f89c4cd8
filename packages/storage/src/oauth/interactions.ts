import type { Queryable, Statement } from '../database.ts';
import type { OAuthPayload } from './grants.ts';

/** Requests of clients that wait for a user to agree, by the SHA-256 of the id that the user's browser has. */

const SAVE: Statement = {
  name: 'oauth_interaction_save',
  text: `insert into oauth_interactions (id_hash, payload, expires_at) values ($1, $2, engine_now() + make_interval(secs => $3))
    on conflict (id_hash) do update set payload = excluded.payload, expires_at = excluded.expires_at`,
};
const FIND: Statement = {
  name: 'oauth_interaction_find',
  text: 'select payload from oauth_interactions where id_hash = $1 and expires_at > engine_now()',
};
const DELETE: Statement = { name: 'oauth_interaction_delete', text: 'delete from oauth_interactions where id_hash = $1' };

export async function saveOAuthInteraction(db: Queryable, hash: Uint8Array, payload: OAuthPayload, expiresInSecs: number): Promise<void> {
  await db.run(SAVE, [hash, JSON.stringify(payload), expiresInSecs]);
}

export async function findOAuthInteraction(db: Queryable, hash: Uint8Array): Promise<OAuthPayload | null> {
  return (await db.run<{ payload: OAuthPayload }>(FIND, [hash]))[0]?.payload ?? null;
}

export async function deleteOAuthInteraction(db: Queryable, hash: Uint8Array): Promise<void> {
  await db.run(DELETE, [hash]);
}
