-- A worker numbers its attachments from 1. One that is delivered late, after the worker has attached anew, is told by its number.
alter table workers add column attach_no bigint not null default 0;
