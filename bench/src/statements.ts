import pg from 'pg';

/** Statements and transactions that a piece of work costs, counted by PostgreSQL itself over all connections. */
export interface Cost {
  statements: number;
  transactions: number;
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
    return {
      statements: busy.statements - idle.statements * share,
      transactions: busy.transactions - idle.transactions * share,
      byStatement: busy.byStatement,
    };
  }

  async #measure(work: () => Promise<void>): Promise<Cost> {
    await this.#settle();
    await this.#client.query('select pg_stat_statements_reset()');
    const before = await this.#commits();
    await work();
    await this.#settle();
    const transactions = (await this.#commits()) - before;
    const { rows } = await this.#client.query<{ query: string; calls: string }>(
      `select query, sum(calls) as calls from pg_stat_statements s join pg_database d on d.oid = s.dbid and d.datname = current_database()
       where query not like '%pg_stat_%' group by query order by 2 desc`,
    );
    const byStatement = rows.filter((row) => !FRAME.test(row.query)).map((row) => ({ query: row.query, calls: Number(row.calls) }));
    return { statements: byStatement.reduce((sum, row) => sum + row.calls, 0), transactions: transactions - 2, byStatement };
  }

  /** Back-ends report their commits with a delay of up to a second, and only when they are idle. */
  async #settle(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    await this.#client.query('select pg_stat_clear_snapshot()');
  }

  async #commits(): Promise<number> {
    const { rows } = await this.#client.query<{ n: string }>(
      'select xact_commit as n from pg_stat_database where datname = current_database()',
    );
    return Number(rows[0]?.n);
  }

  close(): Promise<void> {
    return this.#client.end();
  }
}
