import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createIdSource, DEFAULT_ORG_ID } from '@everruns/contract';
import type { Uuid } from '@everruns/contract';
import { listSessions, migrate, openDatabase } from '@everruns/storage';
import type { Database, Queryable, Row, Statement } from '@everruns/storage';
import { fillDatabase } from '@everruns/storage/core/testing/fill';
import { newPlayer, openSession, post } from '@everruns/storage/core/testing/turn-driver';
import { supervisePostgres } from '@everruns/testing/supervised-postgres';
import pg from 'pg';

/**
 * What row-level security in PostgreSQL would cost: the product's own statements as they are, against the same under policies, with the
 * organization set in a transaction of each statement. Rounds of the ways take turns, so that whatever else the machine does meets all of them.
 */

const ROLE = 'bench_app';
const PASSWORD = 'bench';
const SETTING = 'bench.org_id';
/** Tables that messages and lists of sessions touch, and how a row of each is known to be of an organization. */
const BY_COLUMN = ['sessions', 'session_heads', 'workspaces', 'session_participants', 'workflows', 'ready', 'leases'];
const BY_SESSION = ['events', 'message_keys'];
const SESSIONS_LISTED = 20;
const CLIENTS = 8;

interface Way {
  name: string;
  roundTrips: number;
  statements: number;
  db: Queryable;
}

export async function benchRowSecurity(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options: { rounds: { type: 'string', default: '10' }, calls: { type: 'string', default: '100' } } });
  const home = await mkdtemp(join(tmpdir(), 'everruns-bench-'));
  await chmod(home, 0o755); // PostgreSQL runs as another user when we are root
  const postgres = await supervisePostgres(home);
  const closers: (() => Promise<unknown>)[] = [];
  try {
    await migrate(postgres.url());
    const db = openDatabase({ url: postgres.url(), poolSize: CLIENTS });
    closers.push(() => db.close());
    await fillDatabase(db, { sessions: 4_000, ready: 2_000, leases: 500, timers: 1_000, orgs: 50 });
    await secure(db);
    const url = postgres.url().replace(/\/\/[^@]*@/, `//${ROLE}:${PASSWORD}@`);
    const secured = openDatabase({ url, poolSize: CLIENTS });
    closers.push(() => secured.close());
    const pipelined = await pipelinedPool(url);
    closers.push(() => pipelined.close());
    const ways: Way[] = [
      { name: 'as it is', roundTrips: 1, statements: 1, db },
      { name: 'policies', roundTrips: 3, statements: 4, db: inOwnTransaction(secured) },
      { name: 'policies, sent as one', roundTrips: 1, statements: 4, db: pipelined },
    ];
    await measure(db, ways, { rounds: Number(values.rounds), calls: Number(values.calls) });
    return 0;
  } finally {
    for (const close of closers.toReversed()) await close();
    await postgres.stop();
    await rm(home, { recursive: true, force: true });
  }
}

const statement = (text: string): Statement => ({ name: '', text });

/** A role that owns nothing, and policies for it. */
async function secure(db: Database): Promise<void> {
  const current = `nullif(current_setting('${SETTING}', true), '')::uuid`;
  const commands = [
    `create role ${ROLE} login password '${PASSWORD}'`,
    `grant usage on schema public to ${ROLE}`,
    `grant all on all tables in schema public to ${ROLE}`,
    ...[...BY_COLUMN, ...BY_SESSION].map((table) => `alter table ${table} enable row level security`),
    ...BY_COLUMN.map((table) => `create policy own on ${table} to ${ROLE} using (org_id = ${current})`),
    ...BY_SESSION.map(
      (table) =>
        `create policy own on ${table} to ${ROLE} using (exists (
           select 1 from session_heads h where h.session_id = ${table}.session_id and h.org_id = ${current}))`,
    ),
    'analyze',
  ];
  for (const command of commands) await db.run(statement(command));
}

const SET: Statement = { name: 'bench_set_org', text: `select set_config('${SETTING}', $1, true)` };

/** Every statement in a transaction of its own that says first whose it is. */
function inOwnTransaction(db: Database): Queryable {
  return {
    run: <R extends Row>(asked: Statement, values: readonly unknown[] = []) =>
      db.transaction(async (tx) => {
        await tx.run(SET, [DEFAULT_ORG_ID]);
        return tx.run<R>(asked, values);
      }),
  };
}

/** The same, with all four statements on their way before the first answer. */
async function pipelinedPool(url: string): Promise<Queryable & { close(): Promise<void> }> {
  const options = '-c plan_cache_mode=force_generic_plan -c jit=off';
  const types = new pg.TypeOverrides();
  types.setTypeParser(pg.types.builtins.INT8, Number);
  const pool = new pg.Pool({ connectionString: url, max: CLIENTS, options, types, pipeline: true } as pg.PoolConfig);
  return {
    async run<R extends Row>(asked: Statement, values: readonly unknown[] = []): Promise<R[]> {
      const client = await pool.connect();
      try {
        const sent = [
          client.query('begin'),
          client.query({ name: SET.name, text: SET.text, values: [DEFAULT_ORG_ID] }),
          client.query<R>({ name: asked.name, text: asked.text, values: values as unknown[] }),
          client.query('commit'),
        ] as const;
        return (await Promise.all(sent))[2].rows;
      } finally {
        client.release();
      }
    },
    close: () => pool.end(),
  };
}

type Work = (db: Queryable) => Promise<unknown>;

async function measure(db: Database, ways: readonly Way[], { rounds, calls }: { rounds: number; calls: number }): Promise<void> {
  const player = newPlayer(createIdSource());
  const sessions: Uuid[] = [];
  for (let n = 0; n < (rounds * calls + CLIENTS) * ways.length; n++) sessions.push(await openSession(db, player));
  const list: Work = (way) => listSessions(way, { ...FILTER, orgId: DEFAULT_ORG_ID, userId: player.ids.next() });
  const accept: Work = (way) => post(way, player, sessions.pop() ?? '');
  console.log('work    way                      statements  round trips   p50 ms   p95 ms   of today');
  for (const [name, work] of [
    ['list', list],
    ['accept', accept],
  ] as const) {
    const tookMs = new Map<Way, number[]>(ways.map((way) => [way, []]));
    for (const way of ways) await work(way.db);
    for (let round = 0; round < rounds; round++) {
      for (const way of ways) for (let call = 0; call < calls; call++) tookMs.get(way)?.push(await timed(() => work(way.db)));
    }
    const today = quantile(tookMs.get(ways[0] as Way) ?? [], 0.5);
    for (const [way, all] of tookMs) {
      const [p50, p95] = [quantile(all, 0.5), quantile(all, 0.95)];
      const cells = [String(way.statements).padStart(10), String(way.roundTrips).padStart(12), p50.toFixed(2).padStart(8)];
      console.log(
        `${name.padEnd(7)} ${way.name.padEnd(24)} ${cells.join(' ')} ${p95.toFixed(2).padStart(8)} ${(p50 / today).toFixed(2).padStart(10)}`,
      );
    }
  }
}

const FILTER = {
  tokens: [],
  includeArchived: false,
  mine: false,
  forkedFrom: null,
  agentId: null,
  source: null,
  status: null,
  order: 'created',
  offset: 0,
  limit: SESSIONS_LISTED,
} as const;

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length * share)] ?? 0;
}
