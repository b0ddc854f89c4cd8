import type { Database, Queryable, Row, Statement } from '../../database.ts';
import { scalar } from './sql.ts';

/** Reads query plans the way production runs them: generic, for unknown parameters. */

export interface Scan {
  relation: string;
  node: string;
  index: string | null;
  /** What bounds the scan; without it, all of the index or table is read. */
  condition: string | null;
  filter: string | null;
  /** Stops early because it feeds a `limit` in the index's own order. */
  limited: boolean;
}

interface PlanNode {
  'Node Type': string;
  'Relation Name'?: string;
  'Index Name'?: string;
  'Index Cond'?: string;
  'Recheck Cond'?: string;
  'TID Cond'?: string;
  Filter?: string;
  Plans?: PlanNode[];
}

export async function scansOf(db: Queryable, text: string): Promise<Scan[]> {
  const [explained] = await scalar<{ Plan: PlanNode }[]>(db, `explain (generic_plan, format json) ${text}`);
  if (explained === undefined) throw new Error('No plan.');
  const scans: Scan[] = [];
  collect(explained.Plan, false, scans);
  return scans;
}

const SCANS = new Set(['Seq Scan', 'Index Scan', 'Index Only Scan', 'Bitmap Heap Scan', 'Tid Scan', 'Sample Scan']);
/** Nodes that have to read all of their input before they give the first row. */
const BLOCKING = new Set(['Sort', 'Aggregate', 'Hash', 'WindowAgg', 'Materialize']);

function collect(node: PlanNode, limited: boolean, scans: Scan[]): void {
  if (node['Relation Name'] !== undefined && SCANS.has(node['Node Type'])) {
    scans.push({
      relation: node['Relation Name'],
      node: node['Node Type'],
      index: node['Index Name'] ?? null,
      condition: node['Index Cond'] ?? node['Recheck Cond'] ?? node['TID Cond'] ?? null,
      filter: node.Filter ?? null,
      limited,
    });
  }
  const below = node['Node Type'] === 'Limit' || (limited && !BLOCKING.has(node['Node Type']));
  for (const child of node.Plans ?? []) collect(child, below, scans);
}

/** A database that remembers the text of every statement that went through it, by name. */
export function recordStatements(db: Database): { db: Database; statements: Map<string, string> } {
  const statements = new Map<string, string>();
  const recording = (target: Queryable): Queryable => ({
    run<R extends Row>(statement: Statement, values?: readonly unknown[]) {
      if (statement.name !== '') statements.set(statement.name, statement.text);
      return target.run<R>(statement, values);
    },
  });
  return { db: { ...db, ...recording(db), transaction: (work) => db.transaction((tx) => work(recording(tx))) }, statements };
}
