-- What a session keeps beside its conversation: pairs in the clear, secrets encrypted.
create table session_pairs (
  session_id uuid not null references sessions (id) on delete cascade,
  org_id uuid not null,
  key text not null,
  value text not null,
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  primary key (session_id, key)
);

create table session_secrets (
  session_id uuid not null references sessions (id) on delete cascade,
  org_id uuid not null,
  name text not null,
  value_encrypted jsonb not null,
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  primary key (session_id, name)
);
