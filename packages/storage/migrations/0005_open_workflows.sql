-- The workflows that have not ended, also those that wait: which versions they have, and how many there are.
create index workflows_open on workflows (kind, version) where ended_at is null;
