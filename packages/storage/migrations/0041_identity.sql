-- Who people are: passwords, logins, and the mails that prove an address.

-- An address is kept in one form, so that it names one account whatever its spelling.
update users set email = lower(btrim(email)) where email <> lower(btrim(email));
drop index users_email;
alter table users
  add column kind text not null default 'person' check (kind in ('person', 'service')),
  add column password_hash text,
  add column email_verified_at timestamptz,
  -- May look at and steer the installation itself.
  add column is_platform_user boolean not null default false,
  add column external_id text,
  add constraint users_email_canonical check (email = lower(btrim(email))),
  -- Accounts of services have no way to log in.
  add constraint users_service_has_no_password check (kind = 'person' or password_hash is null);
create unique index users_email on users (email);
create unique index users_external_id on users (external_id) where external_id is not null;
update users set is_platform_user = true where id = '00000000-0000-0000-0000-000000000001';

-- A login lasts as long as its row: every request looks at it. Locked before its refresh tokens.
create table login_sessions (
  id uuid primary key,
  user_id uuid not null references users (id) on delete cascade,
  user_agent text,
  ip text,
  created_at timestamptz not null default engine_now(),
  expires_at timestamptz not null
);
create index login_sessions_user on login_sessions (user_id);
create index login_sessions_expires on login_sessions (expires_at);

-- A spent one stays, so that it is known when somebody shows it again.
create table refresh_tokens (
  token_hash bytea primary key,
  login_session_id uuid not null references login_sessions (id) on delete cascade,
  created_at timestamptz not null default engine_now(),
  expires_at timestamptz not null,
  spent_at timestamptz
);
create index refresh_tokens_login on refresh_tokens (login_session_id);

-- What a mail's link proves: somebody reads the mails of this address. Kept by address, whether or not there is an account, so that asking does
-- not tell. A registration that waits for its proof carries what the account is made of. A row is removed when it is used.
create table account_tokens (
  id uuid primary key,
  purpose text not null check (purpose in ('reset', 'verify')),
  email text not null,
  token_hash bytea not null unique,
  name text,
  password_hash text,
  created_at timestamptz not null default engine_now(),
  expires_at timestamptz not null
);
create index account_tokens_email on account_tokens (email, created_at desc);
create index account_tokens_expires on account_tokens (expires_at);

-- Mails to be sent, written with what they tell of. No secret is in here: the token of a link is derived from `subject_id`. A row is removed when it is sent.
create table mail_outbox (
  id uuid primary key,
  kind text not null,
  recipient text not null,
  subject_id uuid,
  facts jsonb not null default '{}',
  attempts int not null default 0,
  created_at timestamptz not null default engine_now(),
  due_at timestamptz not null default engine_now(),
  failed_at timestamptz,
  error text
);
create index mail_outbox_due on mail_outbox (due_at) where failed_at is null;
