-- MCP servers of an organization. The key and the values of the headers are encrypted; the headers' names are not.
create table mcp_servers (
  id uuid primary key,
  org_id uuid not null references organizations (id),
  name text not null,
  description text,
  url text not null,
  transport_type text not null default 'http' check (transport_type = 'http'),
  status text not null default 'active' check (status in ('active', 'disabled', 'archived', 'deleted')),
  auth_mode text check (auth_mode in ('none', 'api_key', 'o_auth')),
  protocol_mode text check (protocol_mode in ('auto', 'legacy', 'stable', 'rc')),
  oauth_provider_id text,
  api_key_encrypted jsonb,
  headers_encrypted jsonb,
  header_names text[] not null default '{}',
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  archived_at timestamptz,
  deleted_at timestamptz
);
create unique index mcp_servers_name on mcp_servers (org_id, lower(name)) where status <> 'deleted';
create index mcp_servers_list on mcp_servers (org_id, created_at, id) where status <> 'deleted';

-- What a server says that it can do, as it was heard last, for every session that uses it. `server_key` is the id of an organization's server, or a
-- hash of one that stands in a harness, an agent or a session. `failed_at` is later than `fetched_at` while it cannot be asked.
create table mcp_tool_lists (
  org_id uuid not null,
  server_key text not null,
  tools jsonb,
  fetched_at timestamptz,
  failed_at timestamptz,
  primary key (org_id, server_key)
);
create index mcp_tool_lists_old on mcp_tool_lists (greatest(fetched_at, failed_at));
