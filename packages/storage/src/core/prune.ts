import type { Queryable, Statement } from '../database.ts';
import { IDENTITY_PRUNES } from '../identity/prune.ts';
import { OAUTH_PRUNES } from '../oauth/prune.ts';
import { pruneInstances } from './instances.ts';

/** Housekeeping in small batches, on every instance at once: rows that another one is pruning are passed over. */

/** Heads and logs under a workflow's own id are those of workflows without a session that nobody has collected. */
const WORKFLOWS: Statement = {
  name: 'prune_workflows',
  text: `with w as (
     delete from workflows where id = any(array(
       select id from workflows w where ended_at < (select engine_now()) - $1::int * interval '1 day'
         and (select d.id from dead_letters d where d.workflow_id = w.id limit 1) is null
       order by ended_at limit $2 for update skip locked)) returning id),
   ids as materialized (select array(select id from w) as ids),
   e as (delete from workflow_events using ids where workflow_id = any(ids.ids)),
   c as (delete from tool_calls using ids where workflow_id = any(ids.ids)),
   t as (delete from timers using ids where workflow_id = any(ids.ids)),
   h as (delete from session_heads using ids where session_id = any(ids.ids)),
   l as (delete from events using ids where session_id = any(ids.ids))
   select cardinality(ids)::int as n from ids`,
};

const DEAD_LETTERS = prunedByEnd('dead_letters', 'dead_at');

const PURGE_EVENTS: Statement = {
  name: 'purge_deleted_sessions',
  text: `with s as materialized (
     select id, workspace_id from sessions where deleted_at is not null order by deleted_at limit 20 for update skip locked),
   e as (
     delete from events using s where session_id = s.id and seq in (
       select seq from events x where x.session_id = s.id order by seq limit $1) returning session_id),
   k as (delete from message_keys using s where session_id = s.id),
   w as (
     delete from workspaces w where w.id = any(array(select workspace_id from s)) and w.name is null
       and not exists (select 1 from sessions o where o.workspace_id = w.id and o.deleted_at is null) returning w.id),
   f as (delete from files where workspace_id = any(array(select id from w))),
   gone as (delete from sessions x using s where x.id = s.id and not exists (select 1 from e where e.session_id = s.id) returning x.id)
   select ((select count(*) from e) + (select count(*) from gone))::int as n`,
};

/** Rows that came to their end more than `$1` days ago. */
function prunedByEnd(table: string, endedAt: string): Statement {
  return {
    name: `prune_${table}`,
    text: `with gone as (
     delete from ${table} where id = any(array(
       select id from ${table} where ${endedAt} < (select engine_now()) - $1::int * interval '1 day' order by ${endedAt} limit $2 for update skip locked)) returning id)
   select count(*)::int as n from gone`,
  };
}

/** With their messages; what was kept of their results in files stays. */
const TASKS = prunedByEnd('session_tasks', 'finished_at');
const DELIVERIES = prunedByEnd('task_webhook_deliveries', 'ended_at');

const LEDGER: Statement = { name: 'prune_budget_ledger', text: 'select budget_ledger_prune($1, $2) as n' };

/** Deleted ones, with the shares that nobody has given back. */
const BUDGETS: Statement = {
  name: 'prune_budgets',
  text: `with gone as (
     delete from budgets where id = any(array(
       select id from budgets where deleted_at < (select engine_now()) - $1::int * interval '1 day' order by deleted_at limit $2 for update skip locked)) returning id),
   g as (delete from budget_grants g using gone where g.budget_id = gone.id)
   select count(*)::int as n from gone`,
};

/** Workers that have gone: those of instances that are, and those that said good-bye. */
const WORKERS: Statement = {
  name: 'prune_workers',
  text: `with w as (
     delete from workers where id = any(array(
       select w.id from workers w where w.last_seen_at < clock_timestamp() - interval '1 day'
         and (w.status = 'stopped' or not exists (select 1 from instances i where i.id = w.instance_id and i.lost_at is null))
       limit $1 for update skip locked)) returning id)
   select count(*)::int as n from w`,
};

/** Ids begin with their time, so the oldest are found by the key itself. */
const AUDIT: Statement = {
  name: 'prune_audit_logs',
  text: `with gone as (
     delete from audit_logs where id = any(array(
       select id from audit_logs
       where id < rpad(lpad(to_hex((extract(epoch from (select engine_now()) - $1::int * interval '1 day') * 1000)::bigint), 12, '0'), 32, '0')::uuid
       order by id limit $2 for update skip locked)) returning id)
   select count(*)::int as n from gone`,
};

export interface Retention {
  /** Days that ended workflows stay. */
  workflowDays: number;
  deadLetterDays: number;
  /** Days that tasks stay after their end. */
  taskDays: number;
  /** Days that entries of budgets' ledgers stay once no window counts them any more, and budgets after their deletion. */
  ledgerDays: number;
  /** Days that the audit log goes back. */
  auditDays: number;
}

export const DEFAULT_RETENTION: Retention = { workflowDays: 7, deadLetterDays: 30, taskDays: 30, ledgerDays: 90, auditDays: 90 };
const BATCH = 500;

/** One round; the number of rows that went. */
export async function prune(db: Queryable, retention: Retention = DEFAULT_RETENTION): Promise<number> {
  return (await pruneRound(db, retention)).gone;
}

/** Round after round until nothing is left that is old enough, or `stop` says that it is time for other things. */
export async function pruneAll(db: Queryable, stop: () => boolean, retention: Retention = DEFAULT_RETENTION): Promise<number> {
  let gone = 0;
  for (let round = await pruneRound(db, retention); ; round = await pruneRound(db, retention)) {
    gone += round.gone;
    if (!round.more || stop()) return gone;
  }
}

async function pruneRound(db: Queryable, retention: Retention): Promise<{ gone: number; more: boolean }> {
  let gone = 0;
  let more = false;
  for (const [statement, values] of [
    [DEAD_LETTERS, [retention.deadLetterDays, BATCH]],
    [WORKFLOWS, [retention.workflowDays, BATCH]],
    [TASKS, [retention.taskDays, BATCH]],
    [DELIVERIES, [retention.workflowDays, BATCH]],
    [LEDGER, [retention.ledgerDays, BATCH]],
    [BUDGETS, [retention.ledgerDays, BATCH]],
    [AUDIT, [retention.auditDays, BATCH]],
    [PURGE_EVENTS, [BATCH]],
    [WORKERS, [BATCH]],
    ...[...OAUTH_PRUNES, ...IDENTITY_PRUNES].map((statement) => [statement, [BATCH]] as const),
  ] as const) {
    const n = (await db.run<{ n: number }>(statement, [...values]))[0]?.n ?? 0;
    gone += n;
    // Of the deleted sessions few are looked at in a round, and each one's row goes in the round after its last events.
    more ||= n >= BATCH || (n > 0 && statement === PURGE_EVENTS);
  }
  await pruneInstances(db);
  return { gone, more };
}
