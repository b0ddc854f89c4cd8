-- Files of workspaces. `revision` counts the writes of a workspace: a statement that waited for the row's lock can tell from it that its snapshot is
-- older than the lock. The totals are kept on the same row, so that a limit needs no count.
alter table workspaces
  add column revision bigint not null default 0,
  add column entry_count int not null default 0,
  add column total_bytes bigint not null default 0;
alter table workspaces set (fillfactor = 70);

-- Paths are absolute below the workspace, without its prefix: /a/b.txt. The root has no row. Content above a few hundred bytes lies outside of the row,
-- so lists and searches by path never read it, and a rename or a change of a flag does not write it anew.
create table files (
  workspace_id uuid not null,
  path text collate "C" not null,
  parent text collate "C" not null,
  org_id uuid not null,
  id uuid not null,
  is_directory boolean not null,
  is_readonly boolean not null default false,
  -- Not valid UTF-8, or with NUL in it.
  is_binary boolean not null default false,
  size_bytes int not null default 0,
  content_hash bytea,
  content bytea,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  primary key (workspace_id, path),
  check (is_directory = (content is null))
) with (toast_tuple_target = 256);
create index files_children on files (workspace_id, parent, path);

-- Who still uses a workspace, asked when one of its sessions is purged.
create index sessions_workspace on sessions (workspace_id) where deleted_at is null;
