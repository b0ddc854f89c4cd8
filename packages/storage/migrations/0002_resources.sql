-- Organizations and what they configure: harnesses, agents, sessions, providers, models. No step of a turn writes any of these tables.

create table organizations (
  id uuid primary key,
  name text not null,
  -- Preselected for new sessions; falls back to base_harness_id.
  default_harness_id uuid,
  base_harness_id uuid,
  default_model_id uuid,
  default_provider_per_service jsonb not null default '{}',
  onboarding_completed_at timestamptz,
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp()
);

create table users (
  id uuid primary key,
  email text not null,
  name text not null,
  auth_provider text,
  avatar_url text,
  locale text,
  timezone text,
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp()
);
create unique index users_email on users (lower(email));

create table org_members (
  org_id uuid not null references organizations (id),
  user_id uuid not null references users (id),
  role text not null check (role in ('owner', 'admin', 'member')),
  created_at timestamptz not null default clock_timestamp(),
  primary key (org_id, user_id)
);
create index org_members_user on org_members (user_id);

insert into organizations (id, name) values ('00000000-0000-0000-0000-000000000001', 'Default');
insert into users (id, email, name) values ('00000000-0000-0000-0000-000000000001', 'anonymous@local', 'Anonymous');
insert into org_members (org_id, user_id, role)
  values ('00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-000000000001', 'admin');

-- The key chain of an organization: its own keys, each wrapped by the key-encryption key named in the wrapped value.
-- The newest encrypts, all decrypt.
create table org_encryption_keys (
  id uuid primary key,
  org_id uuid not null references organizations (id),
  key_encrypted jsonb not null,
  created_at timestamptz not null default clock_timestamp()
);
create index org_encryption_keys_org on org_encryption_keys (org_id, created_at desc, id desc);

create table harnesses (
  id uuid primary key,
  org_id uuid not null references organizations (id),
  name text not null,
  display_name text,
  description text,
  system_prompt text,
  parent_harness_id uuid,
  default_model_id uuid,
  capabilities jsonb not null default '[]',
  initial_files jsonb not null default '[]',
  tags text[] not null default '{}',
  mcp_servers jsonb,
  network_access jsonb,
  parallel_tool_calls boolean,
  embedder_metadata jsonb,
  is_built_in boolean not null default false,
  status text not null default 'active' check (status in ('active', 'archived', 'deleted')),
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  archived_at timestamptz,
  deleted_at timestamptz
);
create unique index harnesses_name on harnesses (org_id, name) where status <> 'deleted';
create index harnesses_list on harnesses (org_id, created_at desc, id desc) where status <> 'deleted';
create index harnesses_parent on harnesses (org_id, parent_harness_id) where parent_harness_id is not null;

-- Clients may choose an agent's id, so ids are unique within an organization only.
create table agents (
  org_id uuid not null references organizations (id),
  id uuid not null,
  name text not null,
  display_name text,
  description text,
  system_prompt text not null,
  -- Null inherits the organization's default.
  harness_id uuid,
  default_model_id uuid,
  capabilities jsonb not null default '[]',
  initial_files jsonb not null default '[]',
  tools jsonb not null default '[]',
  tags text[] not null default '{}',
  mcp_servers jsonb,
  network_access jsonb,
  max_iterations int,
  parallel_tool_calls boolean,
  status text not null default 'active' check (status in ('active', 'archived', 'deleted')),
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  archived_at timestamptz,
  deleted_at timestamptz,
  primary key (org_id, id)
);
create unique index agents_name on agents (org_id, name) where status <> 'deleted';
create index agents_list on agents (org_id, created_at desc, id desc) where status <> 'deleted';
create index agents_harness on agents (org_id, harness_id) where status <> 'deleted';

create table workspaces (
  id uuid primary key,
  org_id uuid not null references organizations (id),
  -- Null for a workspace that belongs to its session alone.
  name text,
  description text,
  session_id uuid,
  status text not null default 'active' check (status in ('active', 'archived', 'deleted')),
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  archived_at timestamptz,
  deleted_at timestamptz
);
create unique index workspaces_name on workspaces (org_id, name) where status <> 'deleted' and name is not null;
create index workspaces_session on workspaces (session_id) where session_id is not null;

-- Configuration and ownership of a session. What a turn changes (status, sequence, usage) is in session_heads.
create table sessions (
  id uuid primary key,
  org_id uuid not null references organizations (id),
  harness_id uuid not null,
  agent_id uuid,
  workspace_id uuid not null,
  owner_user_id uuid not null,
  title text,
  goal text,
  system_prompt text,
  locale text,
  timezone text,
  model_id uuid,
  capabilities jsonb not null default '[]',
  tools jsonb not null default '[]',
  initial_files jsonb not null default '[]',
  mcp_servers jsonb,
  tags text[] not null default '{}',
  hints jsonb,
  max_iterations int,
  parallel_tool_calls boolean,
  network_access jsonb,
  source text not null default 'api',
  parent_session_id uuid,
  root_session_id uuid,
  forked_from_session_id uuid,
  forked_from_sequence int,
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  deleted_at timestamptz
);
create index sessions_list on sessions (org_id, created_at desc, id desc) where deleted_at is null;
create index sessions_agent on sessions (org_id, agent_id, created_at desc, id desc) where deleted_at is null;
create index sessions_harness on sessions (org_id, harness_id) where deleted_at is null;
create index sessions_deleted on sessions (deleted_at) where deleted_at is not null;

create table session_pins (
  user_id uuid not null,
  session_id uuid not null,
  created_at timestamptz not null default clock_timestamp(),
  primary key (user_id, session_id)
);

create table providers (
  id uuid primary key,
  org_id uuid not null references organizations (id),
  name text not null,
  provider_type text not null,
  base_url text,
  api_key_encrypted jsonb,
  credentials_encrypted jsonb,
  trace jsonb,
  options jsonb,
  status text not null default 'active' check (status in ('active', 'disabled')),
  last_synced_at timestamptz,
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  -- Kept as a tombstone, so that a seeded provider that somebody removed does not come back.
  deleted_at timestamptz
);
create unique index providers_name on providers (org_id, name) where deleted_at is null;
create index providers_list on providers (org_id, created_at, id) where deleted_at is null;

create table models (
  id uuid primary key,
  org_id uuid not null references organizations (id),
  provider_id uuid not null,
  model_id text not null,
  display_name text not null,
  capabilities text[] not null default '{}',
  enabled boolean not null default true,
  is_favorite boolean not null default false,
  source text not null default 'manual' check (source in ('manual', 'discovered', 'predefined')),
  stale boolean not null default false,
  last_seen_at timestamptz,
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  deleted_at timestamptz
);
create unique index models_name on models (provider_id, model_id) where deleted_at is null;
create index models_list on models (org_id, provider_id, id) where deleted_at is null;

-- Where turns begin and end, for the views of turns and for what a session shows of its last one. Two entries per turn.
create index events_turns on events (session_id, seq)
  where type in ('turn.started', 'turn.completed', 'turn.failed', 'turn.cancelled', 'turn.sealed');
