import type { Queryable, Statement } from '../database.ts';

const LOGINS: Statement = {
  name: 'identity_prune_logins',
  text: `delete from login_sessions where id in (
    select id from login_sessions where expires_at < (select engine_now()) order by expires_at limit $1 for update skip locked)`,
};
const SPENT: Statement = {
  name: 'identity_prune_spent',
  text: `delete from refresh_tokens where token_hash in (
    select token_hash from refresh_tokens where expires_at < (select engine_now()) limit $1 for update skip locked)`,
};
const TOKENS: Statement = {
  name: 'identity_prune_tokens',
  text: `delete from account_tokens where id in (
    select id from account_tokens where expires_at < (select engine_now()) order by expires_at limit $1 for update skip locked)`,
};
const MAILS: Statement = {
  name: 'identity_prune_mails',
  text: `delete from mail_outbox where id in (select id from mail_outbox
    where failed_at < (select engine_now()) - $2::int * interval '1 day' limit $1 for update skip locked)`,
};

const CLI_LOGINS: Statement = {
  name: 'identity_prune_cli_logins',
  text: `delete from cli_logins where id in (
    select id from cli_logins where expires_at < (select engine_now()) order by expires_at limit $1 for update skip locked)`,
};
/** Some time after, so that a device that still asks is told that its time is over. */
const DEVICE_LOGINS: Statement = {
  name: 'identity_prune_device_logins',
  text: `delete from device_logins where id in (select id from device_logins
    where expires_at < (select engine_now()) - interval '1 hour' order by expires_at limit $1 for update skip locked)`,
};
const STATES: Statement = {
  name: 'identity_prune_login_states',
  text: `delete from spent_login_states where state_hash in (select state_hash from spent_login_states
    where expires_at < (select engine_now()) order by expires_at limit $1 for update skip locked)`,
};

const FAILED_MAIL_DAYS = 30;

/** Removes at most `limit` of each kind that has run out: logins, their tokens, proofs of addresses, mails that could not be sent, logins of programs. */
export async function pruneIdentity(db: Queryable, limit: number): Promise<void> {
  await db.run(LOGINS, [limit]);
  await db.run(SPENT, [limit]);
  await db.run(TOKENS, [limit]);
  await db.run(MAILS, [limit, FAILED_MAIL_DAYS]);
  await db.run(CLI_LOGINS, [limit]);
  await db.run(DEVICE_LOGINS, [limit]);
  await db.run(STATES, [limit]);
}
