-- The authorization server for MCP clients, and what the MCP endpoint remembers. Codes and tokens are kept as SHA-256 hashes.

-- Registered by anybody, so those that nobody has let in go again.
create table oauth_clients (
  id text primary key,
  -- Null: a public client, which has none.
  secret_hash bytea check (octet_length(secret_hash) = 32),
  metadata jsonb not null,
  created_at timestamptz not null default engine_now()
);
create index oauth_clients_created on oauth_clients (created_at);

-- What a user has let a client do, until the user or a replay revokes it or its last refresh token expires.
create table oauth_grants (
  id uuid primary key,
  user_id uuid not null references users (id) on delete cascade,
  client_id text not null references oauth_clients (id) on delete cascade,
  payload jsonb not null,
  created_at timestamptz not null default engine_now(),
  last_used_at timestamptz,
  expires_at timestamptz not null
);
create index oauth_grants_user on oauth_grants (user_id, created_at desc);
create index oauth_grants_client on oauth_grants (client_id);
create index oauth_grants_expires on oauth_grants (expires_at);

-- Spent ones stay, so that it is known when somebody shows one again.
create table oauth_tokens (
  token_hash bytea primary key check (octet_length(token_hash) = 32),
  kind text not null check (kind in ('AuthorizationCode', 'AccessToken', 'RefreshToken')),
  grant_id uuid not null references oauth_grants (id) on delete cascade,
  payload jsonb not null,
  created_at timestamptz not null default engine_now(),
  expires_at timestamptz not null,
  spent_at timestamptz
);
create index oauth_tokens_grant on oauth_tokens (grant_id);
create index oauth_tokens_expires on oauth_tokens (expires_at);

-- Requests of clients that wait for a user to agree.
create table oauth_interactions (
  id_hash bytea primary key check (octet_length(id_hash) = 32),
  payload jsonb not null,
  expires_at timestamptz not null
);
create index oauth_interactions_expires on oauth_interactions (expires_at);

-- Which session a run was given, by the message id that the client chose: a repeated call finds it again.
create table mcp_runs (
  org_id uuid not null references organizations (id) on delete cascade,
  user_id uuid not null references users (id) on delete cascade,
  client_message_id uuid not null,
  session_id uuid not null,
  created_at timestamptz not null default engine_now(),
  primary key (org_id, user_id, client_message_id)
);
create index mcp_runs_created on mcp_runs (created_at);
