import type { Uuid } from '@everruns/contract';
import type { Breaker } from '@everruns/engine';
import type { Database, Statement } from '../database.ts';

/** A statement of its own: the lease of a probe may have been granted while the row was waited for, and only a newer snapshot shows it. */
const LOCK: Statement = { name: 'breaker_lock', text: 'select key from circuit_breakers where key = $1 for update' };
const READ: Statement = {
  name: 'breaker_read',
  text: `select key, state, failures, success_count, opened_at, counted, engine_now() as now,
    case when exists (select 1 from leases l where l.token = b.probe_token) then probe_token end as probe_token
    from circuit_breakers b where key = $1`,
};
const INSERT: Statement = {
  name: 'breaker_insert',
  text: `insert into circuit_breakers (key, state) values ($1, 'closed') on conflict (key) do nothing`,
};
const WRITE: Statement = {
  name: 'breaker_write',
  text: `update circuit_breakers set state = $2, failures = $3::timestamptz[], success_count = $4, opened_at = $5, probe_token = $6, counted = $7::uuid[],
    half_open_at = case when $2 = 'half_open' and state <> 'half_open' then engine_now() else half_open_at end,
    last_failure_at = case when cardinality($3::timestamptz[]) > 0 then ($3::timestamptz[])[cardinality($3::timestamptz[])] else last_failure_at end,
    updated_at = engine_now() where key = $1`,
};

interface BreakerRow extends Record<string, unknown> {
  key: string;
  state: Breaker['state'];
  failures: Date[];
  success_count: number;
  opened_at: Date | null;
  probe_token: Uuid | null;
  counted: Uuid[];
  now: Date;
}

function fromRow(row: BreakerRow): Breaker {
  return {
    state: row.state,
    failuresMs: row.failures.map((at) => at.getTime()),
    successes: row.success_count,
    openedMs: row.opened_at?.getTime() ?? null,
    probeToken: row.probe_token,
    counted: row.counted,
  };
}

/**
 * Runs a pure decision on one breaker with its row locked. The decision gives what to write (null: nothing) and an answer.
 * `nowMs` is the database's clock. A probe whose lease has ended counts as none.
 */
export function withBreaker<T>(
  db: Database,
  key: string,
  decide: (breaker: Breaker, nowMs: number) => { next: Breaker | null; answer: T },
): Promise<T> {
  return db.transaction(async (tx) => {
    if ((await tx.run(LOCK, [key])).length === 0) {
      await tx.run(INSERT, [key]);
      await tx.run(LOCK, [key]);
    }
    const [row] = await tx.run<BreakerRow>(READ, [key]);
    if (row === undefined) throw new Error(`Circuit breaker ${key} cannot be read.`);
    const { next, answer } = decide(fromRow(row), row.now.getTime());
    if (next !== null) {
      await tx.run(WRITE, [
        key,
        next.state,
        next.failuresMs.map((ms) => new Date(ms)),
        next.successes,
        next.openedMs === null ? null : new Date(next.openedMs),
        next.probeToken,
        next.counted,
      ]);
    }
    return answer;
  });
}
