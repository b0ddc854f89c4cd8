import type { Uuid } from '@everruns/contract';
import { fence, fenced, fenceValues, LeaseLostError } from '../core/fence.ts';
import type { WriterLease } from '../core/fence.ts';
import type { Queryable, Row, Statement } from '../database.ts';
import { storableJson } from '../json.ts';

/**
 * SQL databases of a session, as pages. Whoever writes says which revision it has read: on another one nothing is written, and it is done anew. What a
 * tool call has written is remembered under its key, so that the call gets the same answer however often it is made.
 */

/** Most databases of a session. */
export const MAX_SESSION_DATABASES = 10;
/** Largest database, in bytes. */
export const MAX_DATABASE_BYTES = 8 * 1024 * 1024;

export interface DatabasePlace {
  orgId: Uuid;
  sessionId: Uuid;
  name: string;
}

export interface SessionDatabaseRow extends Row {
  name: string;
  page_bytes: number;
  page_count: number;
  /** As the last writer described them. */
  tables: unknown;
  created_at: Date;
  updated_at: Date;
}

const SHOWN = 'name, page_bytes, page_count, tables, created_at, updated_at';

const LIST: Statement = {
  name: 'session_database_list',
  text: `select ${SHOWN} from session_databases where session_id = $1 and org_id = $2 order by name collate "C"`,
};
const FIND: Statement = {
  name: 'session_database_find',
  text: `select ${SHOWN} from session_databases where session_id = $1 and org_id = $2 and name = $3`,
};
const CREATE: Statement = {
  name: 'session_database_create',
  text: `with s as materialized (select id, org_id from sessions where id = $1 and org_id = $2 and deleted_at is null for share),
   room as materialized (select count(*) < $5::int as free from session_databases where session_id = $1),
   n as (
     insert into session_databases (id, session_id, org_id, name) select $4, s.id, s.org_id, $3 from s, room where room.free
     on conflict (session_id, name) do nothing returning ${SHOWN})
   select exists (select 1 from s) as found, exists (select 1 from session_databases where session_id = $1 and name = $3) as taken, room.free,
     n.name, n.page_bytes, n.page_count, n.tables, n.created_at, n.updated_at
   from room left join n on true`,
};
const DELETE: Statement = {
  name: 'session_database_delete',
  text: 'delete from session_databases where session_id = $1 and org_id = $2 and name = $3 returning id',
};
const OPEN: Statement = {
  name: 'session_database_open',
  text: `select d.revision, d.page_bytes, d.page_count,
     (select string_agg(p.content, ''::bytea order by p.n) from session_database_pages p where p.database_id = d.id) as content,
     (select w.result from session_database_writes w where w.session_id = $1 and w.call_key = $4) as done
   from (select 1) one left join session_databases d on d.session_id = $1 and d.org_id = $2 and d.name = $3`,
};
const WRITE: Statement = {
  name: 'session_database_write',
  text: `with ${fence({ taskId: '$5', token: '$6', sessionId: '$1' })},
   s as materialized (select id, org_id from sessions where id = $1 and org_id = $2 and deleted_at is null),
   k as materialized (select result from session_database_writes where session_id = $1 and call_key = $4),
   d as materialized (select id, revision from session_databases where session_id = $1 and org_id = $2 and name = $3 for update),
   v as materialized (
     select d.id, case when not ${fenced('$5')} then 'lease_lost'
       when not exists (select 1 from s) then 'gone'
       when exists (select 1 from k) then 'done'
       when d.revision is distinct from $7::bigint then 'changed'
       when d.id is null and (select count(*) from session_databases x where x.session_id = $1) >= $8::int then 'full'
       else 'ok' end as verdict
     from (select 1) one left join d on true),
   n as (
     insert into session_databases (id, session_id, org_id, name, revision, page_bytes, page_count, tables)
     select $9, s.id, s.org_id, $3, 1, $10, $11, $12 from v, s where v.verdict = 'ok' and v.id is null
     on conflict (session_id, name) do nothing returning id),
   u as (
     update session_databases x set revision = x.revision + 1, page_bytes = $10, page_count = $11, tables = $12, updated_at = clock_timestamp()
     from v where v.verdict = 'ok' and x.id = v.id returning x.id),
   t as materialized (select id from n union all select id from u),
   p as (
     insert into session_database_pages (database_id, n, content)
     select t.id, c.n, decode(c.content, 'base64') from t, unnest($13::int[], $14::text[]) c(n, content)
     on conflict (database_id, n) do update set content = excluded.content),
   g as (delete from session_database_pages x using t where x.database_id = t.id and x.n > $11::int),
   w as (insert into session_database_writes (session_id, call_key, result) select $1, $4, $15 from t),
   old as (
     delete from session_database_writes x where x.session_id = $1 and x.written_at < clock_timestamp() - interval '1 day' and exists (select 1 from t))
   select case when v.verdict = 'ok' and not exists (select 1 from t) then 'changed' else v.verdict end as verdict, (select result from k) as result from v`,
};

/** By name. */
export function listSessionDatabases(db: Queryable, at: Omit<DatabasePlace, 'name'>): Promise<SessionDatabaseRow[]> {
  return db.run<SessionDatabaseRow>(LIST, [at.sessionId, at.orgId]);
}

export async function findSessionDatabase(db: Queryable, at: DatabasePlace): Promise<SessionDatabaseRow | null> {
  return (await db.run<SessionDatabaseRow>(FIND, [at.sessionId, at.orgId, at.name]))[0] ?? null;
}

/** An empty one. */
export async function createSessionDatabase(
  db: Queryable,
  at: DatabasePlace & { id: Uuid },
): Promise<SessionDatabaseRow | 'not_found' | 'taken' | 'full'> {
  type Created = SessionDatabaseRow & { found: boolean; taken: boolean; free: boolean };
  const [row] = await db.run<Created>(CREATE, [at.sessionId, at.orgId, at.name, at.id, MAX_SESSION_DATABASES]);
  if (row === undefined || !row.found) return 'not_found';
  if (row.name !== null) return row;
  return row.taken || row.free ? 'taken' : 'full';
}

/** False when there is none. */
export async function deleteSessionDatabase(db: Queryable, at: DatabasePlace): Promise<boolean> {
  return (await db.run(DELETE, [at.sessionId, at.orgId, at.name])).length > 0;
}

export interface OpenedDatabase {
  /** Null when there is no such database yet. */
  revision: number | null;
  pageBytes: number;
  /** All pages, one after the other. */
  content: Buffer;
  /** What this call has been answered with already. */
  done: unknown;
}

/** `callKey` is the tool call that asks. */
export async function openSessionDatabase(db: Queryable, at: DatabasePlace, callKey: string): Promise<OpenedDatabase> {
  type Opened = { revision: number | null; page_bytes: number | null; content: Buffer | null; done: unknown } & Row;
  const [row] = await db.run<Opened>(OPEN, [at.sessionId, at.orgId, at.name, callKey]);
  return {
    revision: row?.revision ?? null,
    pageBytes: row?.page_bytes ?? 0,
    content: row?.content ?? Buffer.alloc(0),
    done: row?.done ?? null,
  };
}

export interface DatabaseWrite {
  /** For a new database. */
  id: Uuid;
  callKey: string;
  /** What was read; null for a database that was not there. */
  revision: number | null;
  pageBytes: number;
  pageCount: number;
  /** Those that differ from what was read, in base64, numbered from 1. */
  pages: readonly { n: number; content: string }[];
  tables: unknown;
  result: unknown;
}

export type DatabaseWritten = { verdict: 'ok' | 'changed' | 'full' | 'gone' } | { verdict: 'done'; result: unknown };

/** All or nothing. `changed`: somebody else has written since it was read. `done`: this call has written already; what it was answered with. */
export async function writeSessionDatabase(
  db: Queryable,
  at: DatabasePlace,
  write: DatabaseWrite,
  lease: WriterLease,
): Promise<DatabaseWritten> {
  const { id, callKey, revision, pageBytes, pageCount, pages, tables, result } = write;
  const [row] = await db.run<{ verdict: DatabaseWritten['verdict'] | 'lease_lost'; result: unknown } & Row>(WRITE, [
    at.sessionId,
    at.orgId,
    at.name,
    callKey,
    ...fenceValues(lease),
    revision,
    MAX_SESSION_DATABASES,
    id,
    pageBytes,
    pageCount,
    storableJson(tables),
    pages.map(({ n }) => n),
    pages.map(({ content }) => content),
    storableJson(result ?? null),
  ]);
  if (row === undefined || row.verdict === 'lease_lost') throw new LeaseLostError('The lease has ended.');
  return row.verdict === 'done' ? { verdict: 'done', result: row.result } : { verdict: row.verdict };
}
