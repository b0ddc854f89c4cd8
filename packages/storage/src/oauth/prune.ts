import type { Statement } from '../database.ts';

/** Days that a client stays which nobody has let in, and that the key of a run is known. */
const UNUSED_CLIENT_DAYS = 30;
const RUN_DAYS = 7;

/** Whether a client has been let in is looked up for each by the index: an anti-join would read all grants. Each takes the number of rows that may go in a round. */
export const OAUTH_PRUNES: readonly Statement[] = [
  expired('oauth_tokens', 'token_hash'),
  expired('oauth_interactions', 'id_hash'),
  expired('oauth_grants', 'id'),
  {
    name: 'prune_oauth_clients',
    text: `with gone as (
     delete from oauth_clients where id = any(array(
       select id from oauth_clients c where created_at < (select engine_now()) - interval '${UNUSED_CLIENT_DAYS} days'
         and (select g.id from oauth_grants g where g.client_id = c.id limit 1) is null
       order by created_at limit $1 for update skip locked)) returning id)
   select count(*)::int as n from gone`,
  },
  {
    name: 'prune_mcp_runs',
    text: `with gone as (
     delete from mcp_runs where ctid = any(array(
       select ctid from mcp_runs where created_at < (select engine_now()) - interval '${RUN_DAYS} days'
       order by created_at limit $1 for update skip locked)) returning session_id)
   select count(*)::int as n from gone`,
  },
];

function expired(table: string, key: string): Statement {
  return {
    name: `prune_${table}`,
    text: `with gone as (
     delete from ${table} where ${key} = any(array(
       select ${key} from ${table} where expires_at < (select engine_now())
       order by expires_at limit $1 for update skip locked)) returning ${key})
   select count(*)::int as n from gone`,
  };
}
