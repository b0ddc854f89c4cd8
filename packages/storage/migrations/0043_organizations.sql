-- What has been changed, by whom and why; who has been asked to join; and organizations that have come to their end.

-- Written before the answer to a change is sent, never updated. No foreign keys: it outlives what it tells of, and names nobody but by id.
create table audit_logs (
  -- Of version 7, so the order of ids is the order of time.
  id uuid primary key,
  -- Null: of no organization, such as a login.
  org_id uuid,
  actor_user_id uuid,
  credential_kind text,
  credential_id uuid,
  domain text not null,
  action text not null,
  target_type text,
  target_id text,
  reason text,
  ip text,
  request_id text,
  metadata jsonb not null default '{}',
  created_at timestamptz not null default clock_timestamp()
);
create index audit_logs_org on audit_logs (org_id, id desc);

create table org_invitations (
  id uuid primary key,
  org_id uuid not null references organizations (id) on delete cascade,
  -- Trimmed and in lower case.
  email text not null,
  role text not null check (role in ('owner', 'admin', 'member')),
  -- SHA-256 of the whole token.
  token_hash bytea not null,
  invited_by uuid references users (id) on delete set null,
  created_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz not null,
  accepted_at timestamptz,
  accepted_by uuid references users (id) on delete set null,
  revoked_at timestamptz
);
create unique index org_invitations_token on org_invitations (token_hash);
create unique index org_invitations_pending on org_invitations (org_id, email) where accepted_at is null and revoked_at is null;

-- Nobody belongs to it any more; what is left of it goes in the background.
alter table organizations add column deleted_at timestamptz;
create index organizations_deleted on organizations (deleted_at) where deleted_at is not null;
