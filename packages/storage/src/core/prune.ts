import type { Queryable, Statement } from '../database.ts';

/** Housekeeping in small batches, on every instance at once: rows that another one is pruning are passed over. */

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
   t as (delete from timers using ids where workflow_id = any(ids.ids))
   select cardinality(ids)::int as n from ids`,
};

const DEAD_LETTERS: Statement = {
  name: 'prune_dead_letters',
  text: `with d as (
     delete from dead_letters where id = any(array(
       select id from dead_letters where dead_at < (select engine_now()) - $1::int * interval '1 day' order by dead_at limit $2 for update skip locked)) returning id)
   select count(*)::int as n from d`,
};

const PURGE_EVENTS: Statement = {
  name: 'purge_deleted_sessions',
  text: `with s as materialized (
     select id from sessions where deleted_at is not null order by deleted_at limit 20 for update skip locked),
   e as (
     delete from events using s where session_id = s.id and seq in (
       select seq from events x where x.session_id = s.id order by seq limit $1) returning session_id),
   k as (delete from message_keys using s where session_id = s.id),
   gone as (delete from sessions x using s where x.id = s.id and not exists (select 1 from e where e.session_id = s.id) returning x.id)
   select ((select count(*) from e) + (select count(*) from gone))::int as n`,
};

export interface Retention {
  /** Days that ended workflows stay. */
  workflowDays: number;
  deadLetterDays: number;
}

export const DEFAULT_RETENTION: Retention = { workflowDays: 7, deadLetterDays: 30 };
const BATCH = 500;

/** One round; the number of rows that went. */
export async function prune(db: Queryable, retention: Retention = DEFAULT_RETENTION): Promise<number> {
  let gone = 0;
  for (const [statement, values] of [
    [DEAD_LETTERS, [retention.deadLetterDays, BATCH]],
    [WORKFLOWS, [retention.workflowDays, BATCH]],
    [PURGE_EVENTS, [BATCH]],
  ] as const) {
    gone += (await db.run<{ n: number }>(statement, [...values]))[0]?.n ?? 0;
  }
  return gone;
}
