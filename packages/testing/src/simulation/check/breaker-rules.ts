import type { BreakerRow, Tables } from '../store/tables.ts';
import type { Write } from '../store/tx.ts';
import type { Violations } from './violations.ts';

/** While a breaker is not closed one call at a time finds out whether its provider is back, whichever instance makes it. */
export class BreakerRules {
  readonly #tables: Tables;
  readonly #violations: Violations;

  constructor(tables: Tables, violations: Violations) {
    this.#tables = tables;
    this.#violations = violations;
  }

  committed(writes: readonly Write[]): void {
    for (const write of writes) {
      if (write.table !== 'circuit_breakers') continue;
      const before = (write.before as BreakerRow | null)?.breaker.probeToken ?? null;
      const after = (write.after as BreakerRow).breaker.probeToken;
      if (before === null || after === null || before === after) continue;
      const stands = [...this.#tables.leases.committed()].some((lease) => lease.token === before);
      this.#violations.check(!stands, () => `breaker ${write.key} has a second probe while its first one is out`);
    }
  }
}
