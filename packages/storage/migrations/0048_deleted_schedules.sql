-- A schedule that was deleted is remembered until its session has made many others: the call that made it may come again, and must not make it anew.
alter table session_schedules add column deleted_at timestamptz;
