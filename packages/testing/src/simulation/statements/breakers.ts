import type { Breaker } from '@everruns/engine';
import { CLOSED } from '@everruns/engine';
import type { Faults } from '../faults.ts';
import { reading } from '../store/statement.ts';
import type { Sql, Statement } from '../store/statement.ts';

/** One breaker under its row's lock: LOCK, INSERT if there is none, READ, WRITE, in one transaction. */

/** LOCK: a statement of its own, so that the next one's snapshot shows what was granted while the row was waited for. */
export function lockBreaker(key: string, faults: Faults): Sql<boolean> {
  return {
    name: 'breaker_lock',
    *run(s) {
      const row = faults.has('breaker_unlocked') ? s.get(s.tables.breakers, key) : yield* s.lock(s.tables.breakers, key);
      return row !== null;
    },
  };
}

/** READ: a probe whose lease has ended counts as none. */
export function readBreaker(key: string): Sql<{ breaker: Breaker; nowMs: number }> {
  return reading('breaker_read', (s) => {
    const row = s.get(s.tables.breakers, key);
    if (row === null) throw new Error(`Circuit breaker ${key} cannot be read.`);
    const probeToken = isLeased(s, row.breaker.probeToken) ? row.breaker.probeToken : null;
    return { breaker: { ...row.breaker, probeToken }, nowMs: s.nowMs() };
  });
}

/** INSERT */
export function insertBreaker(key: string): Sql<void> {
  return {
    name: 'breaker_insert',
    *run(s) {
      yield* s.insertOr(s.tables.breakers, key, { key, breaker: CLOSED }, (row) => row);
    },
  };
}

/** WRITE */
export function writeBreaker(key: string, breaker: Breaker): Sql<void> {
  return {
    name: 'breaker_write',
    *run(s) {
      yield* s.update(s.tables.breakers, key, (row) => ({ ...row, breaker }));
    },
  };
}

/** Keys of the breakers that are not closed, as a beat reads them. */
export function troubledKeys(s: Statement): string[] {
  return s.all(s.tables.breakers, (row) => row.breaker.state !== 'closed').map((row) => row.key);
}

const OPEN_MS = 30_000;

/** GATES: how many of the tasks that a breaker parked may move. */
export function passesOf(s: Statement, key: string): number {
  const breaker = s.get(s.tables.breakers, key)?.breaker ?? CLOSED;
  if (breaker.state === 'closed') return Infinity;
  if (breaker.state === 'open' && (breaker.openedMs ?? 0) + OPEN_MS > s.nowMs()) return 0;
  return breaker.state === 'half_open' && isLeased(s, breaker.probeToken) ? 0 : 1;
}

function isLeased(s: Statement, token: string | null): boolean {
  return token !== null && s.all(s.tables.leases, (lease) => lease.token === token).length > 0;
}
