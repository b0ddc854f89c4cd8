import type { Uuid } from '@everruns/contract';
import type { Queryable, Row, Statement } from '../database.ts';

/** A starter file as configuration stores it. */
export interface StoredInitialFile {
  path: string;
  content: string;
  encoding?: 'text' | 'base64';
  is_readonly?: boolean;
}

const FIND: Statement = {
  name: 'initial_files_find',
  text: `select id, initial_files from harnesses where org_id = $1 and id = any($2)
    union all select id, initial_files from agents where org_id = $1 and id = any($2)`,
};

/** Starter files of harnesses and agents, in the order of the ids; those without any have an empty list. */
export async function findInitialFiles(db: Queryable, orgId: Uuid, ids: readonly Uuid[]): Promise<StoredInitialFile[][]> {
  const rows = await db.run<{ id: Uuid; initial_files: StoredInitialFile[] } & Row>(FIND, [orgId, ids]);
  const byId = new Map(rows.map((row) => [row.id, row.initial_files]));
  return ids.map((id) => byId.get(id) ?? []);
}
