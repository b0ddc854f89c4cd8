-- A lease counts the checkpoints that were stored under it: the one that it was granted with is the progress of an earlier attempt.
alter table leases add column checkpoints int not null default 0;
