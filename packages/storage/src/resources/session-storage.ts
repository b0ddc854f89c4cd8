import type { Uuid } from '@everruns/contract';
import { fenced, LeaseLostError, onceFence, onceFenced, onceValues, REMEMBERED, remembering } from '../core/fence.ts';
import type { WriterLease } from '../core/fence.ts';
import type { Database, Queryable, Row, Statement } from '../database.ts';
import { lockLimit } from '../limits.ts';

/** Pairs and secrets of a session. Whoever asks must be in the session's organization; of another one it looks as if there was no session. */

/** Most pairs, and most secrets, that one session keeps. */
export const MAX_SESSION_ENTRIES = 1_000;
/** Most bytes of all values of the pairs of one session, and of its secrets as they are stored. */
export const MAX_SESSION_VALUE_BYTES = 16 * 1024 * 1024;

export interface SessionPlace {
  orgId: Uuid;
  sessionId: Uuid;
}

interface Area {
  table: 'session_pairs' | 'session_secrets';
  key: 'key' | 'name';
  value: 'value' | 'value_encrypted';
  /** Bytes of a value, known without reading it. */
  bytesOf: (value: string) => string;
}

const PAIRS: Area = { table: 'session_pairs', key: 'key', value: 'value', bytesOf: (value) => `octet_length(${value}::text)` };
const SECRETS: Area = {
  table: 'session_secrets',
  key: 'name',
  value: 'value_encrypted',
  bytesOf: (value) => `pg_column_size(${value}::jsonb)`,
};

/**
 * A row that was there has been locked by this very statement, so its `xmax` is set. The limits count only other keys: an entry that is there can
 * be replaced.
 */
const setStatement = ({ table, key, value, bytesOf }: Area): Statement => ({
  name: `${table}_set`,
  text: `with s as materialized (select session_id, org_id from session_heads where session_id = $1 and org_id = $2),
 ${onceFence({ taskId: '$5', token: '$6', sessionId: '$1' }, '$7')},
 n as materialized (
   select count(*) < $8::int and coalesce(sum(o.bytes), 0) + ${bytesOf('$4')} <= $9::int as room
   from (select ${bytesOf(`o.${value}`)} as bytes from ${table} o where o.session_id = $1 and o.${key} <> $3 limit $8::int) o),
 w as (
   insert into ${table} (session_id, org_id, ${key}, ${value})
   select s.session_id, s.org_id, $3, $4 from s, n where ${onceFenced('$5')} and n.room
   on conflict (session_id, ${key}) do update set ${value} = excluded.${value}, updated_at = clock_timestamp()
   returning xmax = 0 as created),
 ${remembering('$7', `jsonb_build_object('created', w.created)`, 'w')}
 select exists (select 1 from s) as found, ${fenced('$5')} as standing, n.room, (select created from w) as created, ${REMEMBERED} as before from n`,
});

const getStatement = ({ table, key, value }: Area): Statement => ({
  name: `${table}_get`,
  text: `select ${value} as value from ${table} where session_id = $1 and org_id = $2 and ${key} = $3`,
});

const deleteStatement = ({ table, key }: Area): Statement => ({
  name: `${table}_delete`,
  text: `with ${onceFence({ taskId: '$4', token: '$5', sessionId: '$1' }, '$6')},
 w as (delete from ${table} where session_id = $1 and org_id = $2 and ${key} = $3 and ${onceFenced('$4')} returning 1),
 ${remembering('$6', `jsonb_build_object('deleted', exists (select 1 from w))`)}
 select ${fenced('$4')} as standing, exists (select 1 from w) as deleted, ${REMEMBERED} as before`,
});

const listStatement = ({ table, key }: Area, columns: string): Statement => ({
  name: `${table}_list`,
  text: `select ${key}${columns}, created_at, updated_at from ${table} where session_id = $1 and org_id = $2 order by ${key} collate "C"`,
});

const STATEMENTS = {
  pairs: { set: setStatement(PAIRS), get: getStatement(PAIRS), delete: deleteStatement(PAIRS), list: listStatement(PAIRS, ', value') },
  keys: {
    name: 'session_pairs_keys',
    text: `select key from session_pairs where session_id = $1 and org_id = $2 order by key collate "C"`,
  },
  secrets: { set: setStatement(SECRETS), get: getStatement(SECRETS), delete: deleteStatement(SECRETS), list: listStatement(SECRETS, '') },
};

export type SetVerdict = 'created' | 'replaced' | 'not_found' | 'full';

interface SetRow extends Row {
  found: boolean;
  standing: boolean;
  room: boolean;
  created: boolean | null;
  /** The answer that this very write has had. */
  before: { created: boolean } | null;
}

/** In the caller's transaction, or in one of its own: those that set something follow each other, or they would not count each other. */
async function set(db: Database | Queryable, statement: Statement, values: readonly unknown[]): Promise<SetVerdict> {
  const limited = async (tx: Queryable): Promise<SetRow[]> => {
    const at = { what: statement.name, of: values[0] as Uuid };
    const [, rows] = await Promise.all([
      lockLimit(tx, at),
      tx.run<SetRow>(statement, [...values, MAX_SESSION_ENTRIES, MAX_SESSION_VALUE_BYTES]),
    ]);
    return rows;
  };
  const [row] = await ('transaction' in db ? db.transaction(limited) : limited(db));
  if (row === undefined || !row.found) return 'not_found';
  if (!row.standing) throw new LeaseLostError('The lease has ended.');
  const before = row.before?.created;
  if (before === undefined && !row.room) return 'full';
  return (before ?? row.created) === true ? 'created' : 'replaced';
}

async function remove(db: Queryable, statement: Statement, values: readonly unknown[]): Promise<boolean> {
  const [row] = await db.run<{ standing: boolean; deleted: boolean; before: { deleted: boolean } | null } & Row>(statement, values);
  if (row?.standing !== true) throw new LeaseLostError('The lease has ended.');
  return row.before?.deleted ?? row.deleted;
}

export interface StoredPair extends Row {
  key: string;
  value: string;
  created_at: Date;
  updated_at: Date;
}

export interface StoredSecret extends Row {
  name: string;
  created_at: Date;
  updated_at: Date;
}

export function setPair(
  db: Database | Queryable,
  at: SessionPlace,
  pair: { key: string; value: string },
  lease: WriterLease,
): Promise<SetVerdict> {
  return set(db, STATEMENTS.pairs.set, [at.sessionId, at.orgId, pair.key, pair.value, ...onceValues(lease)]);
}

export async function getPair(db: Queryable, at: SessionPlace, key: string): Promise<string | null> {
  const [row] = await db.run<{ value: string } & Row>(STATEMENTS.pairs.get, [at.sessionId, at.orgId, key]);
  return row?.value ?? null;
}

export function deletePair(db: Queryable, at: SessionPlace, key: string, lease: WriterLease): Promise<boolean> {
  return remove(db, STATEMENTS.pairs.delete, [at.sessionId, at.orgId, key, ...onceValues(lease)]);
}

/** Ordered by key. */
export function listPairs(db: Queryable, at: SessionPlace): Promise<StoredPair[]> {
  return db.run<StoredPair>(STATEMENTS.pairs.list, [at.sessionId, at.orgId]);
}

/** The keys alone, ordered: values may be large. */
export async function listPairKeys(db: Queryable, at: SessionPlace): Promise<string[]> {
  return (await db.run<{ key: string } & Row>(STATEMENTS.keys, [at.sessionId, at.orgId])).map(({ key }) => key);
}

/** `sealed` comes from the vault, sealed for `secretPlace` of the same session and name. */
export function setSecret(
  db: Database | Queryable,
  at: SessionPlace,
  secret: { name: string; sealed: unknown },
  lease: WriterLease,
): Promise<SetVerdict> {
  const sealed = JSON.stringify(secret.sealed);
  return set(db, STATEMENTS.secrets.set, [at.sessionId, at.orgId, secret.name, sealed, ...onceValues(lease)]);
}

/** As it is stored; the vault opens it. */
export async function getSecret(db: Queryable, at: SessionPlace, name: string): Promise<unknown> {
  const [row] = await db.run<{ value: unknown } & Row>(STATEMENTS.secrets.get, [at.sessionId, at.orgId, name]);
  return row?.value ?? null;
}

export function deleteSecret(db: Queryable, at: SessionPlace, name: string, lease: WriterLease): Promise<boolean> {
  return remove(db, STATEMENTS.secrets.delete, [at.sessionId, at.orgId, name, ...onceValues(lease)]);
}

/** Names only, ordered. */
export function listSecrets(db: Queryable, at: SessionPlace): Promise<StoredSecret[]> {
  return db.run<StoredSecret>(STATEMENTS.secrets.list, [at.sessionId, at.orgId]);
}

/** What a secret's ciphertext is bound to. Session and name are its identity, so that it can be sealed before its row exists. */
export function secretPlace(at: SessionPlace, name: string): { table: string; column: string; rowId: string; orgId: Uuid } {
  return { table: 'session_secrets', column: 'value_encrypted', rowId: `${at.sessionId}/${name}`, orgId: at.orgId };
}
