import type { Queryable } from '../../database.ts';
import { sql } from './sql.ts';

/** A database that has been in use: large enough that a plan without an index would be slow, analyzed so that the planner knows. */

export interface FillOptions {
  sessions: number;
  /** Tasks waiting, spread over `orgs` organizations. */
  ready: number;
  leases: number;
  timers: number;
  orgs: number;
}

export const FILL: FillOptions = { sessions: 4_000, ready: 20_000, leases: 3_000, timers: 10_000, orgs: 50 };

const EVENTS_PER_SESSION = 12;

export async function fillDatabase(db: Queryable, options: FillOptions = FILL): Promise<void> {
  const { sessions, ready, leases, timers, orgs } = options;
  const org = (n: string) => `('0bbbbbbb-0000-7000-8000-' || lpad(to_hex(${n} % ${orgs}), 12, '0'))::uuid`;
  const session = (n: string) => `('0aaaaaaa-0000-7000-8000-' || lpad(to_hex(${n} % ${sessions}), 12, '0'))::uuid`;
  const workflow = (n: string) => `('0ccccccc-0000-7000-8000-' || lpad(to_hex(${n}), 12, '0'))::uuid`;
  const payload = `jsonb_build_object('options', jsonb_build_object('startToCloseMs', 300000), 'input', repeat('x', 400))`;
  const types = `(array['input.message', 'turn.started', 'session.activated', 'reason.started', 'llm.generation', 'reason.completed',
    'output.message.completed', 'act.started', 'tool.started', 'tool.completed', 'turn.completed', 'session.idled'])`;
  for (const text of [
    `insert into organizations (id, name) select ${org('n')}, 'filler' from generate_series(1, ${orgs}) n`,
    `insert into sessions (id, org_id, harness_id, workspace_id, owner_user_id)
       select ${session('n')}, ${org('n')}, uuidv7(), uuidv7(), uuidv7() from generate_series(1, ${sessions}) n`,
    `insert into workspaces (id, org_id) select workspace_id, org_id from sessions`,
    `insert into files (workspace_id, path, parent, org_id, id, is_directory, created_at, updated_at)
       select w.id, '/' || n, '/', w.org_id, uuidv7(), true, now(), now() from workspaces w, generate_series(1, 10) n`,
    `insert into session_schedules (id, session_id, org_id, message, timezone, next_at)
       select uuidv7(), ${session('n')}, ${org('n')}, 'filler', 'UTC', now() + interval '1 hour' + n * interval '1 second' from generate_series(1, ${sessions}) n`,
    `insert into session_tasks (id, org_id, session_id, root_session_id, kind, display_name, state, finished_at)
       select uuidv7(), ${org('n')}, ${session('n')}, ${session('n')}, 'subagent', 'filler', 'succeeded', now() - n * interval '1 second'
       from generate_series(1, ${sessions}) n`,
    `insert into session_tasks (id, org_id, session_id, root_session_id, child_session_id, kind, display_name, state)
       select ${workflow('n')}, ${org('n')}, ${session('n')}, ${session('n')}, ${session('n')}, 'subagent', 'filler', 'running' from generate_series(1, ${sessions}) n`,
    `insert into session_task_waits (timer_id, task_id, until) select uuidv7(), ${workflow('n')}, now() from generate_series(1, ${sessions}) n`,
    `insert into session_task_messages (id, task_id, direction, content) select uuidv7(), ${workflow('n')}, 'inbound', '[]' from generate_series(1, ${sessions}) n`,
    `insert into task_webhooks (id, org_id, url) select uuidv7(), ${org('n')}, 'https://example.com' from generate_series(1, ${sessions}) n`,
    `insert into approval_records (org_id, session_id, turn_id, tool_call_id, kind, tool, action, outcome)
       select ${org('n')}, ${session('n')}, ${workflow('n')}, 'c', 'call', 'filler', 'filler', 'approved' from generate_series(1, ${sessions}) n`,
    `insert into task_webhook_deliveries (id, org_id, task_id, type, body, due_at)
       select uuidv7(), ${org('n')}, uuidv7(), 'task.updated', '{}', now() + interval '1 hour' + n * interval '1 second' from generate_series(1, ${sessions}) n`,
    `insert into session_containers (id, session_id, org_id, engine, used_at, due_at)
       select uuidv7(), ${session('n')}, ${org('n')}, 'filler', now(), now() + interval '1 hour' + n * interval '1 second' from generate_series(1, ${sessions}) n`,
    `insert into session_heads (session_id, org_id, last_seq, last_input_seq, turn_id, status)
       select ${session('n')}, ${org('n')}, ${EVENTS_PER_SESSION}, 1, ${workflow('n')}, 'active' from generate_series(1, ${sessions}) n`,
    `insert into events (session_id, seq, id, type, ts, context, data)
       select ${session('n')}, seq, uuidv7(), ${types}[seq], now(), '{}', jsonb_build_object('text', repeat('x', 200))
       from generate_series(1, ${sessions}) n, generate_series(1, ${EVENTS_PER_SESSION}) seq`,
    `insert into context_checkpoints (session_id, seq, through_seq, seen_seq, hidden, messages)
       select ${session('n')}, c, c, 1, 1, '[]' from generate_series(1, ${sessions}) n, generate_series(1, 3) c`,
    `insert into message_keys (session_id, key, seq) select ${session('n')}, gen_random_uuid(), 1 from generate_series(1, ${sessions}) n`,
    `insert into workflows (id, org_id, session_id, kind, version, status, state, revision, ended_at)
       select ${workflow('n')}, ${org('n')}, ${session('n')}, 'turn', 1, case when n <= ${sessions} then 'running' else 'completed' end, '{"iteration": 1}', 1,
         case when n <= ${sessions} then null else now() - n * interval '1 second' end
       from generate_series(1, ${2 * sessions}) n`,
    `insert into workflow_events (workflow_id, revision, n, type, token)
       select ${workflow('n')}, r, 0, 'reason_completed', gen_random_uuid() from generate_series(1, ${2 * sessions}) n, generate_series(1, 2) r`,
    `insert into tool_calls (workflow_id, step, call_id, position, side, effect, plan)
       select ${workflow('n')}, 1, 'call_' || p, p, 'server', 'idempotent', '{}' from generate_series(1, ${sessions}) n, generate_series(1, 2) p`,
    `insert into ready (id, org_id, session_id, workflow_id, pool, priority, step, payload, start_by)
       select uuidv7(), ${org('n')}, ${session('n')}, ${workflow(`n % ${sessions}`)}, case when n % 3 = 0 then 'tool' else 'reason' end, 0, 1, ${payload},
         case when n % 10 = 0 then now() + interval '1 hour' end from generate_series(1, ${ready}) n`,
    `insert into instances (id, versions) select uuidv7(), '{}' from generate_series(1, 8)`,
    `insert into leases (task_id, token, org_id, session_id, workflow_id, pool, priority, attempt, losses, failures, step, instance_id, worker_id, boot_id, attachment,
         started_at, deadline, payload)
       select uuidv7(), gen_random_uuid(), ${org('n')}, ${session('n')}, ${workflow('n')}, 'reason', 0, 1, 0, 0, 1, i.id, 'worker_' || n % 20,
         ('0ddddddd-0000-7000-8000-' || lpad(to_hex(n % 20), 12, '0'))::uuid, ('0eeeeeee-0000-7000-8000-' || lpad(to_hex(n % 20), 12, '0'))::uuid,
         now(), now() + interval '1 hour', ${payload}
       from generate_series(1, ${leases}) n, lateral (select id from instances order by id offset n % 8 limit 1) i`,
    `insert into timers (id, due_at, kind, org_id, session_id, workflow_id, breaker, payload)
       select uuidv7(), now() + interval '1 hour' + n * interval '1 second', case when n % 5 = 0 then 'client_deadline' else 'task' end, ${org('n')}, ${session('n')},
         ${workflow(`n % ${sessions}`)}, case when n % 7 = 0 then 'llm:busy' end, jsonb_build_object('pool', 'reason', 'step', 1)
       from generate_series(1, ${timers}) n`,
    `insert into timers (id, due_at, kind, org_id, session_id, workflow_id, ref, payload)
       select uuidv7(), now() + interval '1 hour' + n * interval '1 second', 'budget', ${org('n')}, ${session('n')}, ${workflow(`n % ${sessions}`)},
         gen_random_uuid()::text, '{}' from generate_series(1, ${timers}) n`,
    `insert into dead_letters (id, org_id, session_id, workflow_id, pool, step, payload, attempts, error_history)
       select uuidv7(), ${org('n')}, ${session('n')}, ${workflow('n')}, 'reason', 1, ${payload}, 5, '[]' from generate_series(1, 1000) n`,
    `insert into budgets (id, org_id, subject_type, subject_id, currency, limit_units)
       select ${session('n')}, ${org('n')}, 'session', ${session('n')}, 'usd', 1000000 from generate_series(1, ${sessions}) n`,
    `insert into budget_grants (budget_id, session_id) select ${session('n')}, ${session('n')} from generate_series(1, ${sessions}) n`,
    `insert into budget_holds (token, n, budget_id, session_id, turn_id, currency, units, output_tokens)
       select gen_random_uuid(), 1, ${session('n')}, ${session('n')}, ${workflow('n')}, 'usd', 1, 1 from generate_series(1, ${sessions}) n`,
    `insert into budget_ledger (budget_id, session_id, units, source)
       select ${session('n')}, ${session('n')}, -1, 'model_call' from generate_series(1, ${sessions}) n, generate_series(1, 5) c`,
    ...accessTables(sessions),
    'analyze',
  ]) {
    await sql(db, text);
  }
}

/** Users, what lets them and their programs in, and what was changed: nothing of it is over. */
function accessTables(rows: number): string[] {
  const series = `generate_series(1, ${rows}) n`;
  const user = `('0fffffff-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid`;
  const later = `now() + interval '1 day' + n * interval '1 second'`;
  const hash = (what: string): string => `sha256(('${what}' || n)::bytea)`;
  return [
    `insert into users (id, email, name) select ${user}, 'filler' || n || '@example.com', 'filler' from ${series}`,
    `insert into login_sessions (id, user_id, expires_at) select ${user}, ${user}, ${later} from ${series}`,
    `insert into refresh_tokens (token_hash, login_session_id, expires_at) select ${hash('refresh')}, ${user}, ${later} from ${series}`,
    `insert into account_tokens (id, purpose, email, token_hash, expires_at)
       select uuidv7(), 'reset', 'filler' || n || '@example.com', ${hash('account')}, ${later} from ${series}`,
    `insert into mail_outbox (id, kind, recipient, due_at) select uuidv7(), 'reset', 'filler@example.com', ${later} from ${series}`,
    `insert into cli_logins (id, state_hash, redirect_port, expires_at) select uuidv7(), ${hash('cli')}, 1, ${later} from ${series}`,
    `insert into device_logins (id, device_hash, user_code, interval_secs, expires_at)
       select uuidv7(), ${hash('device')}, 'filler' || n, 5, ${later} from ${series}`,
    `insert into spent_login_states (state_hash, expires_at) select ${hash('state')}, ${later} from ${series}`,
    `insert into oauth_clients (id, metadata) select 'filler' || n, '{}' from ${series}`,
    `insert into oauth_grants (id, user_id, client_id, payload, expires_at) select ${user}, ${user}, 'filler' || n, '{}', ${later} from ${series}`,
    `insert into oauth_tokens (token_hash, kind, grant_id, payload, expires_at)
       select ${hash('oauth')}, 'RefreshToken', ${user}, '{}', ${later} from ${series}`,
    `insert into oauth_interactions (id_hash, payload, expires_at) select ${hash('interaction')}, '{}', ${later} from ${series}`,
    `insert into mcp_runs (org_id, user_id, client_message_id, session_id)
       select '0bbbbbbb-0000-7000-8000-000000000000', ${user}, ${user}, ${user} from ${series}`,
    `insert into audit_logs (id, org_id, domain, action) select uuidv7(), '0bbbbbbb-0000-7000-8000-000000000000', 'filler', 'filler' from ${series}`,
  ];
}
