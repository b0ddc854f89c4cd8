-- A schedule may make a tool call, planned when it was made, instead of sending a message: `{call, title, wakes}`. It makes so many more.
alter table session_schedules
  add column probe jsonb,
  add column runs_left int check (runs_left >= 0);
