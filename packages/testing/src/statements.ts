import type { Queryable } from '@everruns/storage';

/** What the server ran while some work was done, whoever sent it, counted by pg_stat_statements. */
export interface StatementCount {
  /** The text with its constants replaced by parameters, white space folded. */
  text: string;
  calls: number;
  rows: number;
  /** Execution alone: without parsing, binding, the plan's start-up and the network. */
  totalMs: number;
}

export interface CountedWork<T> {
  result: T;
  /** Most calls first. Transaction control is not in it. */
  statements: StatementCount[];
  /** Sum of their calls. */
  calls: number;
}

const PREPARE = { name: 'statements_prepare', text: 'create extension if not exists pg_stat_statements' };
const READ = {
  name: 'statements_read',
  text: `select queryid::text as id, regexp_replace(min(query), '\\s+', ' ', 'g') as text, sum(calls)::int as calls, sum(rows)::int as rows,
      sum(total_exec_time)::float8 as total_ms
    from pg_stat_statements where dbid = (select oid from pg_database where datname = current_database())
    group by queryid`,
};

/** begin, commit and the like cost no work of their own; the last one is this counter. */
const NOT_COUNTED = /^\s*(begin|commit|rollback|savepoint|release|set|reset|deallocate|discard)\b|pg_stat_statements/i;

/**
 * Counts the statements of this database while `work` runs. Needs a server with `shared_preload_libraries = pg_stat_statements` (the shared
 * test server has it). Loops of other processes on the same database are counted too: measure their idle rate and take it off.
 */
export async function statementsDuring<T>(db: Queryable, work: () => Promise<T>): Promise<CountedWork<T>> {
  await db.run(PREPARE);
  const before = await readCounts(db);
  const result = await work();
  const after = await readCounts(db);
  const statements: StatementCount[] = [];
  for (const [id, { text, calls, rows, totalMs }] of after) {
    const earlier = before.get(id) ?? { calls: 0, rows: 0, totalMs: 0 };
    if (calls === earlier.calls || NOT_COUNTED.test(text)) continue;
    statements.push({ text, calls: calls - earlier.calls, rows: rows - earlier.rows, totalMs: totalMs - earlier.totalMs });
  }
  statements.sort((a, b) => b.calls - a.calls);
  return { result, statements, calls: statements.reduce((sum, statement) => sum + statement.calls, 0) };
}

interface CountRow extends Record<string, unknown> {
  id: string;
  text: string;
  calls: number;
  rows: number;
  total_ms: number;
}

async function readCounts(db: Queryable): Promise<Map<string, StatementCount>> {
  const rows = await db.run<CountRow>(READ);
  return new Map(rows.map((row) => [row.id, { text: row.text, calls: row.calls, rows: row.rows, totalMs: row.total_ms }]));
}
