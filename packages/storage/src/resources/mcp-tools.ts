import type { Uuid } from '@everruns/contract';
import type { Queryable, Row, Statement } from '../database.ts';
import { fence, fenced, fenceValues, LeaseLostError } from '../core/fence.ts';
import type { WriterLease } from '../core/fence.ts';
import { storableJson } from '../json.ts';

/** What MCP servers said that they can do, shared by all sessions of an organization. */

export interface McpToolListRow extends Row {
  server_key: string;
  /** Null when it never could be asked. */
  tools: unknown;
  /** Milliseconds since the list was heard, and since asking failed; null for never. */
  age_ms: number | null;
  failed_ms: number | null;
}

const FIND: Statement = {
  name: 'mcp_tool_lists_find',
  text: `select server_key, tools, (extract(epoch from clock_timestamp() - fetched_at) * 1000)::float8 as age_ms,
      (extract(epoch from clock_timestamp() - failed_at) * 1000)::float8 as failed_ms
    from mcp_tool_lists where org_id = $1 and server_key = any ($2)`,
};
const FENCE = fence({ taskId: '$4', token: '$5', sessionId: '$6' });
/** Lists that nobody has asked for in a week go: a server that stands in a tier leaves one with every change of it. */
const KEEP: Statement = {
  name: 'mcp_tool_list_keep',
  text: `with ${FENCE},
    old as (
      delete from mcp_tool_lists where (org_id, server_key) in (
        select org_id, server_key from mcp_tool_lists where greatest(fetched_at, failed_at) < clock_timestamp() - interval '7 days'
          and (org_id, server_key) <> ($1, $2) limit 100 for update skip locked)
    ),
    w as (
      insert into mcp_tool_lists (org_id, server_key, tools, fetched_at) select $1, $2, $3, clock_timestamp() where ${fenced('$4')}
      on conflict (org_id, server_key) do update set tools = excluded.tools, fetched_at = excluded.fetched_at, failed_at = null
    )
    select ${fenced('$4')} as standing`,
};
const FAILED: Statement = {
  name: 'mcp_tool_list_failed',
  text: `with ${FENCE},
    w as (
      insert into mcp_tool_lists (org_id, server_key, failed_at) select $1, $2, clock_timestamp() where ${fenced('$4')} and $3::jsonb is null
      on conflict (org_id, server_key) do update set failed_at = excluded.failed_at
    )
    select ${fenced('$4')} as standing`,
};

export async function findMcpToolLists(db: Queryable, orgId: Uuid, keys: readonly string[]): Promise<McpToolListRow[]> {
  return keys.length === 0 ? [] : db.run<McpToolListRow>(FIND, [orgId, keys]);
}

/** What a server of the organization said, heard by a step of one of its sessions. */
export interface HeardTools {
  orgId: Uuid;
  sessionId: Uuid;
  key: string;
  /** Null: it could not be asked. */
  tools: readonly unknown[] | null;
}

/** Throws `LeaseLostError`. */
export async function keepMcpTools(db: Queryable, { orgId, sessionId, key, tools }: HeardTools, lease: WriterLease): Promise<void> {
  const values = [orgId, key, tools === null ? null : storableJson(tools), ...fenceValues(lease), sessionId];
  const [row] = await db.run<{ standing: boolean } & Row>(tools === null ? FAILED : KEEP, values);
  if (row?.standing !== true) throw new LeaseLostError('The lease has ended.');
}
