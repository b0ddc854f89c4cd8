import pg from 'pg';

/**
 * Statements and transactions that a piece of work costs, counted by PostgreSQL itself over all connections. A statement outside
 * `begin` and `commit` is a transaction of its own, and an explicit one holds at least one statement, so the transactions are the statements
 * less those that share one. (`pg_stat_database.xact_commit` lags by up to ten seconds per connection and cannot be told from housekeeping.)
 */
export interface Cost {
  statements: number;
  /** At most so many; exact when no explicit transaction was begun. */
  transactions: number;
  /** Explicit transactions among them. */
  begun: number;
  byStatement: { query: string; calls: number }[];
}

/** `begin` and `commit` are the frame of a transaction, not statements of their own. */
const FRAME = /^(begin|commit|rollback)$/i;

export class StatementCounter {
  readonly #client: pg.Client;

  private constructor(client: pg.Client) {
    this.#client = client;
  }

  static async open(url: string): Promise<StatementCounter> {
    const client = new pg.Client({ connectionString: url, application_name: 'bench-counter' });
    await client.connect();
    await client.query('create extension if not exists pg_stat_statements');
    return new StatementCounter(client);
  }

  /** Counts what happens while `work` runs, without what an idle system does in the same time. */
  async during(work: () => Promise<void>): Promise<Cost> {
    const idleMs = 4_000;
    const idle = await this.#measure(() => new Promise((resolve) => setTimeout(resolve, idleMs)));
    const started = performance.now();
    const busy = await this.#measure(work);
    const share = (performance.now() - started) / idleMs;
    const statements = busy.statements - idle.statements * share;
    return {
      statements,
      transactions: statements,
      begun: busy.begun - idle.begun * share,
      byStatement: busy.byStatement,
    };
  }

  async #measure(work: () => Promise<void>): Promise<Cost> {
    await this.#client.query('select pg_stat_statements_reset()');
    await work();
    const { rows } = await this.#client.query<{ query: string; calls: string }>(
      `select query, sum(calls) as calls from pg_stat_statements s join pg_database d on d.oid = s.dbid and d.datname = current_database()
       where query not like '%pg_stat_%' group by query order by 2 desc`,
    );
    const byStatement = rows.filter((row) => !FRAME.test(row.query)).map((row) => ({ query: row.query, calls: Number(row.calls) }));
    const begun = rows.filter((row) => /^begin$/i.test(row.query)).reduce((sum, row) => sum + Number(row.calls), 0);
    const statements = byStatement.reduce((sum, row) => sum + row.calls, 0);
    return { statements, transactions: statements, begun, byStatement };
  }

  close(): Promise<void> {
    return this.#client.end();
  }
}
