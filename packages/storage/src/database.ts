import { createHash } from 'node:crypto';
import pg from 'pg';

/** A prepared statement: `name` is its identity on a connection, so text and name belong together for ever. */
export interface Statement {
  name: string;
  text: string;
}

export type Row = Record<string, unknown>;

/** Anything that runs a statement: the database itself, or an open transaction. */
export interface Queryable {
  run<R extends Row = Row>(statement: Statement, values?: readonly unknown[]): Promise<R[]>;
}

export interface DatabaseOptions {
  url: string;
  /** Connections of this process; `pool x instances <= 80 %` of the server's limit is the caller's arithmetic. */
  poolSize: number;
  /** A pooler between us and the server: no named statements, no start-up options. */
  pooled?: boolean;
  applicationName?: string;
  onError?: (error: Error) => void;
}

export interface Database extends Queryable {
  /** Runs `work` between begin and commit on one connection. `begin` travels with the first statement. */
  transaction<T>(work: (tx: Queryable) => Promise<T>): Promise<T>;
  /** One connection outside the pool, for LISTEN and session locks. */
  dedicated(): Promise<pg.Client>;
  readonly poolSize: number;
  close(): Promise<void>;
}

/** A connection that has not answered for so long leads nowhere: it is cut, and what was asked on it counts as a lost reply. */
const SILENT_AFTER_MS = 30_000;
/** Generic plans are costed for more rows than there are: the server would compile them to machine code for milliseconds, in vain. */
const SETTINGS = '-c plan_cache_mode=force_generic_plan -c jit=off -c idle_in_transaction_session_timeout=10000';

const types = new pg.TypeOverrides();
types.setTypeParser(pg.types.builtins.INT8, Number);

/** Bytes of a prepared statement's name that the server tells apart. */
const MAX_NAME = 63;

/** The name as the server keeps it: the end of a longer one becomes its hash, so that two which begin alike stay two. */
export function preparedName(name: string): string {
  if (Buffer.byteLength(name) <= MAX_NAME) return name;
  return `${name.slice(0, 40)}_${createHash('sha256').update(name).digest('hex').slice(0, 20)}`;
}

export function openDatabase(options: DatabaseOptions): Database {
  const base: pg.ClientConfig = {
    connectionString: options.url,
    application_name: options.applicationName ?? 'everruns',
    types,
    connectionTimeoutMillis: 5_000,
    keepAlive: true,
    ...(options.pooled === true ? {} : { options: SETTINGS }),
  };
  const pool = new pg.Pool({
    ...base,
    pipeline: true,
    max: options.poolSize,
    idleTimeoutMillis: 30_000,
    query_timeout: SILENT_AFTER_MS,
  } as pg.PoolConfig);
  pool.on('error', (error) => options.onError?.(error));
  const bind = (statement: Statement, values: readonly unknown[]): pg.QueryConfig => ({
    ...(options.pooled === true ? {} : { name: preparedName(statement.name) }),
    text: statement.text,
    values: values as unknown[],
  });
  return {
    poolSize: options.poolSize,
    run: <R extends Row>(statement: Statement, values: readonly unknown[] = []) => rowsOf(() => pool.query<R>(bind(statement, values))),
    transaction: (work) => inTransaction(pool, bind, work),
    async dedicated() {
      const client = new pg.Client({ ...base, options: undefined } as pg.ClientConfig);
      client.on('error', (error) => options.onError?.(error));
      await client.connect();
      return client;
    },
    close: () => pool.end(),
  };
}

type Bind = (statement: Statement, values: readonly unknown[]) => pg.QueryConfig;

async function inTransaction<T>(pool: pg.Pool, bind: Bind, work: (tx: Queryable) => Promise<T>): Promise<T> {
  const client = await connected(pool);
  let broken: Error | undefined;
  // Between two statements nobody else listens, and an error event without a listener ends the process.
  const breaks = (error: Error): void => {
    broken = error;
  };
  client.on('error', breaks);
  try {
    const begun = client.query('begin');
    begun.catch(() => undefined); // its failure fails the first statement too, which is awaited
    const result = await work({
      run: <R extends Row>(statement: Statement, values: readonly unknown[] = []) => rowsOf(() => client.query<R>(bind(statement, values))),
    });
    await rowsOf(() => client.query('commit'));
    return result;
  } catch (error) {
    await client.query('rollback').catch((cause: unknown) => {
      broken = cause instanceof Error ? cause : new Error('rollback failed');
    });
    throw error;
  } finally {
    client.release(broken);
    client.off('error', breaks);
  }
}

/** The connection broke, or none could be had: whether the statement took effect is not known. */
export class ConnectionError extends Error {
  override readonly name = 'ConnectionError';
}

async function rowsOf<R extends Row>(query: () => Promise<pg.QueryResult<R>>): Promise<R[]> {
  try {
    return (await query()).rows;
  } catch (error) {
    throw asConnectionError(error);
  }
}

async function connected(pool: pg.Pool): Promise<pg.PoolClient> {
  try {
    return await pool.connect();
  } catch (error) {
    throw asConnectionError(error);
  }
}

/** What the driver reports without a SQLSTATE came from the socket, not from the server. */
function asConnectionError(error: unknown): unknown {
  if (error instanceof pg.DatabaseError || !(error instanceof Error)) return error;
  return new ConnectionError(`The database connection failed: ${error.message}`, { cause: error });
}

/** SQLSTATE of a server error, or null for anything else. */
export function sqlState(error: unknown): string | null {
  return error instanceof pg.DatabaseError && typeof error.code === 'string' ? error.code : null;
}

/**
 * Did the statement perhaps commit although it failed? True for a connection that broke (class 08, or the socket) and for a server
 * that shut down under it. Such a write is answered by repeating it, so every write of the core can be repeated.
 */
export function outcomeUnknown(error: unknown): boolean {
  const state = sqlState(error);
  if (state === null) return error instanceof ConnectionError;
  return state.startsWith('08') || state === '57P01' || state === '57P02' || state === '57P03';
}

/**
 * Nothing happened, and the same statement may be sent again: deadlocks and serialization failures, a lock that was not to be had, a server
 * without connections, memory or disk to spare, a transaction that was ended for its silence.
 */
export function isTransient(error: unknown): boolean {
  const state = sqlState(error);
  return state !== null && (state.startsWith('53') || TRANSIENT.has(state));
}

const TRANSIENT: ReadonlySet<string> = new Set(['40P01', '40001', '55P03', '25P03']);
