import type { Uuid } from '@everruns/contract';
import type { Database, Queryable, Statement } from '../database.ts';
import { insertLimited } from '../limits.ts';

/** How many sessions an organization has, for its limit. */

/** Those that are there, and those that were promised to copies under way, but for the session `id` itself. */
export const sessionsOf = (orgId: string, id: string): string => `(
   (select count(*) from sessions where org_id = ${orgId} and deleted_at is null)
     + (select count(*) from promised_sessions p where p.org_id = ${orgId} and p.id <> ${id} and p.expires_at > (select engine_now())))`;

/** Longer than any copy takes. */
const PROMISED_FOR = `interval '1 hour'`;

const PROMISE: Statement = {
  name: 'session_promise',
  text: `with old as (delete from promised_sessions where org_id = $2 and expires_at <= (select engine_now()))
    insert into promised_sessions (id, org_id, expires_at) select $1, $2, engine_now() + ${PROMISED_FOR} where ${sessionsOf('$2', '$1')} < $3
    returning id`,
};
const OVER: Statement = { name: 'session_promise_over', text: 'delete from promised_sessions where id = $1' };

/** Keeps a place for a session; false when there is none. */
export async function promiseSession(db: Database, at: { id: Uuid; orgId: Uuid }, limit: number): Promise<boolean> {
  const values = [at.id, at.orgId, limit];
  return (await insertLimited(db, { what: 'sessions', of: at.orgId }, [PROMISE, values])).length > 0;
}

/** The session is there, or will never be. */
export async function endPromise(db: Queryable, id: Uuid): Promise<void> {
  await db.run(OVER, [id]);
}
