-- What the engine has done so far, for people who watch it. Each process adds to the row of its shard now and then; a figure is the sum.
create table engine_totals (
  shard int primary key,
  started_tasks bigint not null default 0,
  completed_tasks bigint not null default 0,
  failed_tasks bigint not null default 0,
  started_workflows bigint not null default 0,
  completed_workflows bigint not null default 0,
  failed_workflows bigint not null default 0
) with (fillfactor = 50);

alter table workers add column tasks_completed bigint not null default 0, add column tasks_failed bigint not null default 0;

create index dead_letters_open on dead_letters (dead_at desc) where requeued_at is null;
