-- Messages that a session gets at a time, once or again and again. `next_at` is null when nothing more is to come.
create table session_schedules (
  id uuid primary key,
  session_id uuid not null references sessions (id) on delete cascade,
  org_id uuid not null,
  message text not null,
  cron text,
  timezone text not null,
  enabled boolean not null default true,
  next_at timestamptz,
  triggered int not null default 0,
  last_triggered_at timestamptz,
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp()
);
create index session_schedules_session on session_schedules (session_id, created_at);
create index session_schedules_org on session_schedules (org_id) where enabled and next_at is not null;
create index session_schedules_due on session_schedules (next_at) where enabled and next_at is not null;
