-- Whose failures a breaker has counted: a completion that is said again, to another instance, counts once.
alter table circuit_breakers add column counted uuid[] not null default '{}';
