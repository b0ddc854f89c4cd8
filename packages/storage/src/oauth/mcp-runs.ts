import type { Uuid } from '@everruns/contract';
import type { Queryable, Statement } from '../database.ts';

/** Sessions that MCP clients started under a message id of their own choice. */

export interface McpRunKey {
  orgId: Uuid;
  userId: Uuid;
  clientMessageId: Uuid;
}

const FIND: Statement = {
  name: 'mcp_run_find',
  text: 'select session_id from mcp_runs where org_id = $1 and user_id = $2 and client_message_id = $3',
};
/** The row that is there already is locked and stays as it is. */
const KEEP: Statement = {
  name: 'mcp_run_keep',
  text: `insert into mcp_runs as r (org_id, user_id, client_message_id, session_id) values ($1, $2, $3, $4)
    on conflict (org_id, user_id, client_message_id) do update set session_id = r.session_id returning session_id`,
};

export async function findMcpRun(db: Queryable, { orgId, userId, clientMessageId }: McpRunKey): Promise<Uuid | null> {
  return (await db.run<{ session_id: Uuid }>(FIND, [orgId, userId, clientMessageId]))[0]?.session_id ?? null;
}

/** The session that the key stands for from now on: the given one, unless another was first. */
export async function keepMcpRun(db: Queryable, { orgId, userId, clientMessageId }: McpRunKey, sessionId: Uuid): Promise<Uuid> {
  return (await db.run<{ session_id: Uuid }>(KEEP, [orgId, userId, clientMessageId, sessionId]))[0]?.session_id ?? sessionId;
}
