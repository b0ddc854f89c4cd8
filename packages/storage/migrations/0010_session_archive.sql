-- An archived session is put aside: hidden from lists unless asked for, and otherwise as it was.
alter table sessions add column archived_at timestamptz;
