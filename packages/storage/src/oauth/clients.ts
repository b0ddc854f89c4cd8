import type { Queryable, Row, Statement } from '../database.ts';

/** Clients of the authorization server, as they registered themselves. */

export interface OAuthClient {
  id: string;
  /** SHA-256; null for a public client. */
  secretHash: Uint8Array | null;
  metadata: Readonly<Record<string, unknown>>;
}

interface ClientRow extends Row {
  id: string;
  secret_hash: Buffer | null;
  metadata: Record<string, unknown>;
}

const INSERT: Statement = {
  name: 'oauth_client_insert',
  text: 'insert into oauth_clients (id, secret_hash, metadata) values ($1, $2, $3)',
};
const FIND: Statement = { name: 'oauth_client_find', text: 'select id, secret_hash, metadata from oauth_clients where id = $1' };

export async function insertOAuthClient(db: Queryable, { id, secretHash, metadata }: OAuthClient): Promise<void> {
  await db.run(INSERT, [id, secretHash, JSON.stringify(metadata)]);
}

export async function findOAuthClient(db: Queryable, id: string): Promise<OAuthClient | null> {
  const [row] = await db.run<ClientRow>(FIND, [id]);
  return row === undefined ? null : { id: row.id, secretHash: row.secret_hash, metadata: row.metadata };
}
