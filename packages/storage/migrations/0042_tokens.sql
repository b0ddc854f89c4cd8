-- What lets programs in, what is under way until it does, and who somebody is elsewhere.

create table personal_access_tokens (
  id uuid primary key,
  user_id uuid not null references users (id) on delete cascade,
  -- The one organization that it reaches, as long as the user is a member of it; null: every one of the user.
  org_id uuid,
  -- The token that it was made with: what a token makes ends with it.
  made_with uuid references personal_access_tokens (id) on delete cascade,
  name text not null,
  token_hash bytea not null unique check (octet_length(token_hash) = 32),
  -- The beginning, for people to tell tokens apart by.
  token_prefix text not null,
  scopes text[] not null,
  metadata jsonb not null default '{}',
  expires_at timestamptz,
  last_used_at timestamptz,
  created_at timestamptz not null default engine_now(),
  constraint personal_access_tokens_membership foreign key (org_id, user_id) references org_members (org_id, user_id) on delete cascade
);
create index personal_access_tokens_user on personal_access_tokens (user_id, created_at desc, id desc);
create index personal_access_tokens_made_with on personal_access_tokens (made_with) where made_with is not null;
create index personal_access_tokens_membership on personal_access_tokens (org_id, user_id) where org_id is not null;

-- Users that are no people: each of one organization, none able to log in. Name and role are where every user's are.
create table service_accounts (
  user_id uuid primary key references users (id) on delete cascade,
  org_id uuid not null references organizations (id) on delete cascade,
  description text,
  created_by uuid
);
create index service_accounts_org on service_accounts (org_id);

-- Logins of the command line through a browser: from its start until the code is exchanged for a token.
create table cli_logins (
  id uuid primary key,
  state_hash bytea not null unique,
  redirect_port integer not null check (redirect_port between 1 and 65535),
  -- Both set once somebody who is logged in has come by.
  user_id uuid references users (id) on delete cascade,
  code_hash bytea unique,
  ip text,
  expires_at timestamptz not null,
  check ((user_id is null) = (code_hash is null))
);
create index cli_logins_expiry on cli_logins (expires_at);

-- Devices that show a code and wait until somebody has entered it (RFC 8628).
create table device_logins (
  id uuid primary key,
  device_hash bytea not null unique,
  user_code text not null unique,
  hostname text,
  os text,
  ip text,
  status text not null default 'pending' check (status in ('pending', 'approved', 'denied')),
  user_id uuid references users (id) on delete cascade,
  interval_secs integer not null,
  polled_at timestamptz,
  expires_at timestamptz not null,
  check ((status = 'approved') = (user_id is not null))
);
create index device_logins_expiry on device_logins (expires_at);

-- Who a user is at a provider of logins. Its subject never changes, an address there may.
create table user_identities (
  provider text not null,
  subject text not null,
  user_id uuid not null references users (id) on delete cascade,
  email text not null,
  created_at timestamptz not null default engine_now(),
  primary key (provider, subject)
);
create index user_identities_user on user_identities (user_id);

-- States of provider logins that have come back, until they would have expired anyway: none comes back twice.
create table spent_login_states (
  state_hash bytea primary key,
  expires_at timestamptz not null
);
create index spent_login_states_expiry on spent_login_states (expires_at);
