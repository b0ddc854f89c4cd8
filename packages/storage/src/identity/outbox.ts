import type { Uuid } from '@everruns/contract';
import type { Queryable, Row, Statement } from '../database.ts';
import { NOT_ANONYMOUS } from './known-users.ts';

/** Mails on their way. One is taken for the time of an attempt, so that each attempt is one instance's. */

export interface NewMail {
  id: Uuid;
  kind: string;
  recipient: string;
  /** Row that the token of its link is derived from. */
  subjectId: Uuid | null;
  /** What its text tells, no secrets. */
  facts: Record<string, string>;
}

export interface TakenMail extends Row {
  id: Uuid;
  kind: string;
  recipient: string;
  subject_id: Uuid | null;
  facts: Record<string, string>;
  /** This one included. */
  attempts: number;
}

/** What a mail of kind `account` has to tell follows from what is true when it is sent. */
export interface AccountMailFacts extends Row {
  purpose: 'reset' | 'verify';
  /** It would make an account. */
  is_registration: boolean;
  /** Null: nobody has this address. */
  user_name: string | null;
  is_verified: boolean;
}

const ADD: Statement = {
  name: 'mail_add',
  text: `insert into mail_outbox (id, kind, recipient, subject_id, facts) values ($1, $2, $3, $4, $5)`,
};
const TAKE: Statement = {
  name: 'mail_take',
  text: `with due as (
      select id from mail_outbox where failed_at is null and due_at <= (select engine_now()) order by due_at limit $1 for update skip locked)
    update mail_outbox m set attempts = m.attempts + 1, due_at = engine_now() + $2::int * interval '1 millisecond' from due
    where m.id = due.id returning m.id, m.kind, m.recipient, m.subject_id, m.facts, m.attempts`,
};
const SENT: Statement = { name: 'mail_sent', text: `delete from mail_outbox where id = $1` };
const AGAIN: Statement = {
  name: 'mail_again',
  text: `update mail_outbox set error = $3, due_at = engine_now() + $4::int * interval '1 millisecond' where id = $1 and attempts = $2`,
};
const FAILED: Statement = {
  name: 'mail_failed',
  text: `update mail_outbox set error = $3, failed_at = engine_now() where id = $1 and attempts = $2`,
};
const NEXT: Statement = {
  name: 'mail_next',
  text: `select extract(epoch from due_at - engine_now()) * 1000 as in_ms from mail_outbox where failed_at is null order by due_at limit 1`,
};
const ACCOUNT_MAIL: Statement = {
  name: 'mail_account_facts',
  text: `select t.purpose, t.password_hash is not null as is_registration, u.name as user_name,
      coalesce(u.email_verified_at is not null, false) as is_verified
    from account_tokens t left join users u on u.email = t.email and u.kind = 'person' and ${NOT_ANONYMOUS}
    where t.id = $1 and t.expires_at > engine_now()`,
};

/** In the transaction of what the mail tells of. */
export async function addMail(db: Queryable, { id, kind, recipient, subjectId, facts }: NewMail): Promise<void> {
  await db.run(ADD, [id, kind, recipient, subjectId, JSON.stringify(facts)]);
}

/** Mails that are due, each for an attempt of at most `forMs`: whoever has not settled one by then has lost it to the next. */
export function takeMails(db: Queryable, { limit, forMs }: { limit: number; forMs: number }): Promise<TakenMail[]> {
  return db.run<TakenMail>(TAKE, [limit, forMs]);
}

export async function mailSent(db: Queryable, id: Uuid): Promise<void> {
  await db.run(SENT, [id]);
}

/** `delayMs` until the next attempt; null: there is none, and the row stays for whoever looks why. */
export async function mailFailed(
  db: Queryable,
  mail: Pick<TakenMail, 'id' | 'attempts'>,
  { error, delayMs }: { error: string; delayMs: number | null },
): Promise<void> {
  if (delayMs === null) await db.run(FAILED, [mail.id, mail.attempts, error]);
  else await db.run(AGAIN, [mail.id, mail.attempts, error, delayMs]);
}

/** Milliseconds until the next one is due, negative when it is overdue; null when none waits. */
export async function nextMailMs(db: Queryable): Promise<number | null> {
  const [row] = await db.run<{ in_ms: string }>(NEXT);
  return row === undefined ? null : Number(row.in_ms);
}

/** Null when the token has been used or has expired: there is nothing to tell any more. */
export async function accountMailFacts(db: Queryable, tokenId: Uuid): Promise<AccountMailFacts | null> {
  return (await db.run<AccountMailFacts>(ACCOUNT_MAIL, [tokenId]))[0] ?? null;
}
