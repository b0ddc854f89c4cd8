-- The transactional core: the session log, the engine's workflows and tasks, and what instances know of each other.

-- UUIDv7 (RFC 9562). PostgreSQL 18 has it built in; older servers get this one.
do $$
begin
  if not exists (select 1 from pg_proc where proname = 'uuidv7') then
    create function uuidv7() returns uuid language sql volatile parallel safe as $f$
      select (lpad(to_hex((extract(epoch from clock_timestamp()) * 1000)::bigint), 12, '0')
        || '7' || substr(md5(gen_random_uuid()::text), 1, 3)
        || to_hex(8 + (random() * 3.999)::int % 4) || substr(md5(gen_random_uuid()::text), 1, 15))::uuid
    $f$;
  end if;
end $$;

-- The one clock of everything that storage compares. Tests shift it for their database with `everruns.clock_shift`.
create function engine_now() returns timestamptz language sql volatile parallel safe as $$
  select clock_timestamp() + coalesce(nullif(current_setting('everruns.clock_shift', true), '')::interval, interval '0')
$$;

-- Public form of an id: prefix_ + 32 hex digits.
create function public_id(prefix text, id uuid) returns text language sql immutable parallel safe as $$
  select prefix || '_' || replace(id::text, '-', '')
$$;

-- Id of a durable event: a UUIDv7 that carries the sequence (12 + 20 bits) and the session's tag (12 bits), so that it is a resume cursor
-- by itself. The same layout as in packages/contract/src/event-id.ts; `noise` is any integer, of which 29 bits are used.
-- Stable, because extract() of a timestamptz is: declared immutable it could not be inlined, and would be parsed anew in every statement.
create function event_id(at timestamptz, session_id uuid, seq int, noise int) returns uuid language sql stable parallel safe as $$
  select (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0')
    || '7' || lpad(to_hex(seq >> 20), 3, '0')
    || lpad(to_hex((-9223372036854775808)::bigint | ((seq & 1048575)::bigint << 42)
      | (('x' || right(session_id::text, 3))::bit(12)::int::bigint << 29) | (noise & 536870911)::bigint), 16, '0'))::uuid
$$;

-- The lock of a session: narrow, no secondary index, so that every update is HOT. Locked first by every transaction that writes the
-- session's events or its turn. `turn_id` says which turn runs, and with it which workflow.
create table session_heads (
  session_id uuid primary key,
  org_id uuid not null,
  first_seq int not null default 1,
  last_seq int not null default 0,
  last_input_seq int not null default 0,
  last_ts timestamptz not null default '-infinity',
  turn_id uuid,
  status text not null default 'started' check (status in ('started', 'active', 'idle', 'waiting_for_tool_results')),
  input_tokens bigint not null default 0,
  output_tokens bigint not null default 0,
  cache_read_tokens bigint not null default 0,
  cache_creation_tokens bigint not null default 0,
  cost_usd double precision not null default 0
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);

-- The log. Append-only; `replay` is opaque provider state that no read of a client selects.
create table events (
  session_id uuid not null,
  seq int not null,
  id uuid not null,
  type text not null,
  ts timestamptz not null,
  context jsonb not null,
  data jsonb not null,
  replay jsonb,
  tags text[],
  metadata jsonb,
  primary key (session_id, seq)
);
-- Prompts and the messages view read only these.
create index events_messages on events (session_id, seq) where type in ('input.message', 'output.message.completed', 'tool.completed');

create table message_keys (
  session_id uuid not null,
  key uuid not null,
  seq int not null,
  primary key (session_id, key)
);

create table workflows (
  id uuid primary key,
  org_id uuid not null,
  session_id uuid,
  kind text not null,
  version int not null,
  status text not null check (status in ('running', 'waiting', 'completed', 'failed', 'cancelled', 'sealed')),
  state jsonb not null,
  revision int not null,
  open_calls int not null default 0,
  failed_calls int not null default 0,
  created_at timestamptz not null default clock_timestamp(),
  ended_at timestamptz
) with (fillfactor = 50);
create index workflows_recent on workflows (created_at desc);
create index workflows_session on workflows (session_id, created_at);
create index workflows_ended on workflows (ended_at) where ended_at is not null;

create table workflow_events (
  workflow_id uuid not null,
  revision int not null,
  n int not null,
  type text not null,
  token uuid,
  answer jsonb,
  data jsonb,
  at timestamptz not null default clock_timestamp(),
  primary key (workflow_id, revision, n)
);
create unique index workflow_events_token on workflow_events (token) where token is not null;

-- One row per tool call of a step: the durable record of whether it ran.
create table tool_calls (
  workflow_id uuid not null,
  step int not null,
  call_id text not null,
  position int not null,
  side text not null check (side in ('server', 'client')),
  effect text not null check (effect in ('readonly', 'idempotent', 'unsafe')),
  state text not null default 'pending' check (state in ('pending', 'running', 'settled')),
  status text,
  attempt int not null default 0,
  token uuid,
  plan jsonb not null,
  result jsonb,
  primary key (workflow_id, step, call_id)
);

-- Due tasks only, claimed by deleting. Everything that is not yet due is a row of `timers`.
create table ready (
  id uuid primary key,
  org_id uuid not null,
  session_id uuid not null,
  workflow_id uuid not null,
  pool text not null,
  priority int not null default 0,
  attempt int not null default 0,
  losses int not null default 0,
  failures int not null default 0,
  step int not null,
  call_id text,
  effect text,
  payload jsonb not null,
  checkpoint jsonb,
  enqueued_at timestamptz not null default clock_timestamp(),
  start_by timestamptz
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
create index ready_fair on ready (pool, org_id, priority desc, id);
create index ready_order on ready (pool, priority desc, id);
create index ready_start_by on ready (start_by) where start_by is not null;

create table leases (
  task_id uuid primary key,
  token uuid not null,
  granted_by uuid,
  org_id uuid not null,
  session_id uuid not null,
  workflow_id uuid not null,
  pool text not null,
  priority int not null,
  attempt int not null,
  losses int not null,
  failures int not null,
  step int not null,
  call_id text,
  effect text,
  instance_id uuid not null,
  worker_id text not null,
  boot_id uuid not null,
  attachment uuid not null,
  started_at timestamptz not null,
  deadline timestamptz not null,
  appended int not null default 0,
  payload jsonb not null,
  checkpoint jsonb
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
create index leases_workflow on leases (workflow_id);
create index leases_holder on leases (instance_id, attachment);
create index leases_deadline on leases (deadline);
create index leases_org on leases (org_id);
create index leases_token on leases (token);
create index leases_worker on leases (worker_id);

create table timers (
  id uuid primary key,
  due_at timestamptz not null,
  kind text not null,
  org_id uuid not null,
  session_id uuid not null,
  workflow_id uuid not null,
  ref text,
  -- Key of the circuit breaker that parked the task.
  breaker text,
  payload jsonb not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
create index timers_due on timers (due_at) where breaker is null;
create index timers_workflow on timers (workflow_id);
create index timers_breaker on timers (breaker, due_at) where breaker is not null;

-- Insert-only notes to a workflow, consumed under its head.
create table signals (
  workflow_id uuid not null,
  id uuid not null,
  kind text not null,
  payload jsonb not null,
  primary key (workflow_id, id)
);

create table dead_letters (
  id uuid primary key,
  org_id uuid not null,
  session_id uuid not null,
  workflow_id uuid not null,
  pool text not null,
  step int not null,
  call_id text,
  payload jsonb not null,
  attempts int not null,
  error_history jsonb not null,
  dead_at timestamptz not null default clock_timestamp(),
  requeued_at timestamptz,
  requeued_as uuid
);
create index dead_letters_recent on dead_letters (dead_at desc);
create index dead_letters_workflow on dead_letters (workflow_id);

create table circuit_breakers (
  key text primary key,
  state text not null check (state in ('closed', 'open', 'half_open')),
  failures timestamptz[] not null default '{}',
  success_count int not null default 0,
  opened_at timestamptz,
  half_open_at timestamptz,
  last_failure_at timestamptz,
  probe_token uuid,
  updated_at timestamptz not null default clock_timestamp()
);

-- Instances judge each other by beats and their own monotonic clocks; no timestamp here is ever compared with another machine's.
create table instances (
  id uuid primary key,
  beat bigint not null default 0,
  hint_no bigint not null default 0,
  lost_at timestamptz,
  started_at timestamptz not null default clock_timestamp(),
  versions jsonb not null,
  address text
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_cost_delay = 0);

-- Written when a worker attaches and when it leaves, never in between.
create table workers (
  id text primary key,
  boot_id uuid not null,
  instance_id uuid not null,
  attachment uuid not null,
  worker_group text,
  hostname text,
  version text,
  pools jsonb not null,
  status text not null check (status in ('running', 'draining', 'stopped')),
  started_at timestamptz not null default clock_timestamp(),
  last_seen_at timestamptz not null default clock_timestamp()
);

-- Text of messages that are still being written, for the other instances' streams. Emptied by a crash of any back-end: the holders of the
-- text notice by the missing marker and write it again. Two tables in turn, so that the older one can be truncated.
create unlogged table open_text_0 (
  instance_id uuid not null,
  n bigint not null,
  session_id uuid not null,
  message_id uuid not null,
  attempt int not null,
  stream text not null,
  start_offset int not null,
  started_seq int not null,
  text text not null
);
create index on open_text_0 (instance_id, n);
create index on open_text_0 (session_id);
create unlogged table open_text_1 (like open_text_0 including indexes);
create unlogged table open_text_marker (instance_id uuid primary key, written_at timestamptz not null default clock_timestamp());
