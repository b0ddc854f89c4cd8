import type { Uuid } from '@everruns/contract';
import type { Queryable, Row, Statement } from '../database.ts';
import type { SealedSecret } from '../secrets/envelope.ts';
import { unlessTaken } from './violations.ts';

export type McpServerStatus = 'active' | 'disabled' | 'archived' | 'deleted';

export interface McpServerFields {
  name: string;
  description: string | null;
  url: string;
  status: McpServerStatus;
  auth_mode: string | null;
  protocol_mode: string | null;
  api_key_encrypted: SealedSecret | null;
  headers_encrypted: SealedSecret | null;
  header_names: string[];
}

/** A server as it may leave the control plane: whether there is a key and which headers, never their values. */
export interface McpServerRow extends Row {
  id: Uuid;
  name: string;
  description: string | null;
  url: string;
  transport_type: 'http';
  status: McpServerStatus;
  auth_mode: string | null;
  protocol_mode: string | null;
  oauth_provider_id: string | null;
  api_key_set: boolean;
  header_names: string[];
  created_at: Date;
  updated_at: Date;
  archived_at: Date | null;
  deleted_at: Date | null;
}

/** What a connection needs; the secrets are still encrypted. */
export interface McpConnectionRow extends Row {
  id: Uuid;
  name: string;
  url: string;
  auth_mode: string | null;
  api_key_encrypted: unknown;
  headers_encrypted: unknown;
}

const FIELDS = 'name, description, url, status, auth_mode, protocol_mode, api_key_encrypted, headers_encrypted, header_names';
const COLUMNS = `m.id, m.name, m.description, m.url, m.transport_type, m.status, m.auth_mode, m.protocol_mode, m.oauth_provider_id,
  m.api_key_encrypted is not null as api_key_set, m.header_names, m.created_at, m.updated_at, m.archived_at, m.deleted_at`;
/** The names of the columns above, for a statement that has them from a list. */
const SHOWN = `id, name, description, url, transport_type, status, auth_mode, protocol_mode, oauth_provider_id, api_key_set, header_names,
  created_at, updated_at, archived_at, deleted_at`;
const ASSIGNMENTS = FIELDS.split(', ')
  .map((column) => `${column} = n.${column}`)
  .join(', ');

const LIST: Statement = {
  name: 'mcp_server_list',
  text: `select ${COLUMNS} from mcp_servers m where m.org_id = $1 and m.status <> 'deleted' and ($2 or m.status <> 'archived')
      and not exists (select from unnest($3::text[]) t where position(lower(t) in lower(m.name || ' ' || coalesce(m.description, ''))) = 0)
    order by m.created_at, m.id`,
};
const FIND: Statement = {
  name: 'mcp_server_find',
  text: `select ${COLUMNS} from mcp_servers m where m.org_id = $1 and m.id = $2 and m.status <> 'deleted'`,
};
const INSERT: Statement = {
  name: 'mcp_server_insert',
  text: `insert into mcp_servers as m (id, org_id, ${FIELDS}) select $1, $2, ${FIELDS} from jsonb_populate_record(null::mcp_servers, $3)
    returning ${COLUMNS}`,
};
/**
 * An archived server changes only by becoming another status, and only an archived one is deleted. A deleted server keeps its row without
 * its secrets. What it said that it can do is forgotten with every change.
 */
const UPDATE: Statement = {
  name: 'mcp_server_update',
  text: `with m as (
      update mcp_servers m set ${ASSIGNMENTS}, updated_at = clock_timestamp(),
        archived_at = case when n.status = 'archived' then coalesce(m.archived_at, clock_timestamp()) end,
        deleted_at = case when n.status = 'deleted' then clock_timestamp() end
      from (select x.id as key, n.* from mcp_servers x cross join lateral jsonb_populate_record(x, $3) n
        where x.org_id = $1 and x.id = $2 and x.status <> 'deleted'
          and (n.status <> 'deleted' or x.status = 'archived') and (x.status <> 'archived' or n.status <> 'archived') for update of x) n
      where m.id = n.key returning ${COLUMNS}
    ), forgotten as (
      delete from mcp_tool_lists where org_id = $1 and server_key = $2::text and exists (select from m)
    )
    select ${SHOWN} from m`,
};
const CONNECTION: Statement = {
  name: 'mcp_server_connection',
  text: `select id, name, url, auth_mode, api_key_encrypted, headers_encrypted from mcp_servers
    where org_id = $1 and id = $2 and status = 'active'`,
};
/** A server that never was, or is another organization's, is as good as deleted. */
const GONE: Statement = {
  name: 'mcp_server_gone',
  text: `select t.id, m.name, coalesce(m.status, 'deleted') as status
    from unnest($2::uuid[]) t (id) left join mcp_servers m on m.org_id = $1 and m.id = t.id
    where m.status is distinct from 'active'`,
};
const SEALED_HEADERS: Statement = {
  name: 'mcp_server_headers',
  text: `select headers_encrypted from mcp_servers where org_id = $1 and id = $2 and status <> 'deleted'`,
};

export interface McpServerFilter {
  includeArchived: boolean;
  tokens: readonly string[];
}

export async function listMcpServers(db: Queryable, orgId: Uuid, { includeArchived, tokens }: McpServerFilter): Promise<McpServerRow[]> {
  return db.run<McpServerRow>(LIST, [orgId, includeArchived, tokens]);
}

export async function findMcpServer(db: Queryable, orgId: Uuid, id: Uuid): Promise<McpServerRow | null> {
  return (await db.run<McpServerRow>(FIND, [orgId, id]))[0] ?? null;
}

export async function insertMcpServer(
  db: Queryable,
  server: { id: Uuid; orgId: Uuid; fields: McpServerFields },
): Promise<McpServerRow | 'taken'> {
  const values = [server.id, server.orgId, JSON.stringify(server.fields)];
  const rows = await unlessTaken(['mcp_servers_name'], () => db.run<McpServerRow>(INSERT, values));
  return rows === 'taken' ? rows : (rows[0] as McpServerRow);
}

/** Null when it is not there, or its status does not allow the change. */
export async function updateMcpServer(
  db: Queryable,
  orgId: Uuid,
  id: Uuid,
  changes: Partial<McpServerFields>,
): Promise<McpServerRow | 'taken' | null> {
  const rows = await unlessTaken(['mcp_servers_name'], () => db.run<McpServerRow>(UPDATE, [orgId, id, JSON.stringify(changes)]));
  return rows === 'taken' ? rows : (rows[0] ?? null);
}

/** An active server with what its connection needs. */
export async function findMcpConnection(db: Queryable, orgId: Uuid, id: Uuid): Promise<McpConnectionRow | null> {
  return (await db.run<McpConnectionRow>(CONNECTION, [orgId, id]))[0] ?? null;
}

export interface GoneServerRow extends Row {
  id: Uuid;
  name: string | null;
  status: Exclude<McpServerStatus, 'active'>;
}

/** Those that nobody can connect to, and why. */
export async function findGoneMcpServers(db: Queryable, orgId: Uuid, ids: readonly Uuid[]): Promise<GoneServerRow[]> {
  return ids.length === 0 ? [] : db.run<GoneServerRow>(GONE, [orgId, ids]);
}

/** The encrypted headers of a server, or null when it has none. */
export async function findMcpHeaders(db: Queryable, orgId: Uuid, id: Uuid): Promise<unknown> {
  return (await db.run<{ headers_encrypted: unknown }>(SEALED_HEADERS, [orgId, id]))[0]?.headers_encrypted ?? null;
}
