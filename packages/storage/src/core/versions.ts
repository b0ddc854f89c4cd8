import type { Queryable, Statement } from '../database.ts';

const UNKNOWN: Statement = {
  name: 'open_workflows_of_other_versions',
  text: `select version, count(*)::int as open from workflows where ended_at is null and kind = $1 and version <> all($2::int[]) group by version order by version`,
};

export interface OpenVersion extends Record<string, unknown> {
  version: number;
  /** Workflows that have not ended: running ones, and those that wait. */
  open: number;
}

/** Versions of workflows that have not ended, other than the given ones; lowest first. */
export function openVersionsBeside(db: Queryable, kind: string, known: readonly number[]): Promise<OpenVersion[]> {
  return db.run<OpenVersion>(UNKNOWN, [kind, known]);
}
