import type { Statement } from '../database.ts';

/** Longer than any mail is tried for: those that have failed stay so long for whoever looks why. */
const MAIL_DAYS = 30;

/** What has run out: logins and their tokens, proofs of addresses, logins of programs, mails. Each takes the number of rows that may go in a round. */
export const IDENTITY_PRUNES: readonly Statement[] = [
  over('login_sessions', 'id', 'expires_at'),
  over('refresh_tokens', 'token_hash', 'expires_at'),
  over('account_tokens', 'id', 'expires_at'),
  over('cli_logins', 'id', 'expires_at'),
  // A device that still asks is told that its time is over.
  over('device_logins', 'id', 'expires_at', '1 hour'),
  over('spent_login_states', 'state_hash', 'expires_at'),
  over('mail_outbox', 'id', 'created_at', `${MAIL_DAYS} days`),
];

function over(table: string, key: string, time: string, stays = '0'): Statement {
  return {
    name: `prune_${table}`,
    text: `with gone as (
     delete from ${table} where ${key} = any(array(
       select ${key} from ${table} where ${time} < (select engine_now()) - interval '${stays}'
       order by ${time} limit $1 for update skip locked)) returning ${key})
   select count(*)::int as n from gone`,
  };
}
