-- Sessions that are being copied, for limits: a copy sees one moment of its source, and so cannot count what others make meanwhile. One whose process has died is
-- forgotten when its time is over.
create table promised_sessions (
  id uuid primary key,
  org_id uuid not null,
  expires_at timestamptz not null
);
create index promised_sessions_org on promised_sessions (org_id);
