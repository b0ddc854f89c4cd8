import { ancestorPaths, parentPath, textOfBytes } from '@everruns/contract';
import type { Uuid } from '@everruns/contract';
import type { Queryable, Statement } from '../database.ts';

/** The files that a workspace begins with. */

const LOCK: Statement = {
  name: 'files_seed_lock',
  text: `select id from workspaces where id = $2 and org_id = $1 and status <> 'deleted' for update`,
};
const SEED: Statement = {
  name: 'files_seed',
  text: `with w as materialized (select id from workspaces where id = $2 and org_id = $1 and status <> 'deleted'),
   i as materialized (select x.path, x.parent, x.is_directory, x.is_readonly, x.is_binary, decode(x.base64, 'base64') as content from jsonb_to_recordset($3) as x(
     path text, parent text, is_directory boolean, is_readonly boolean, is_binary boolean, base64 text)),
   n as (
     insert into files (workspace_id, path, parent, org_id, id, is_directory, is_readonly, is_binary, size_bytes, content_hash, content, created_at, updated_at)
     select w.id, i.path, i.parent, $1, uuidv7(), i.is_directory, i.is_readonly, i.is_binary, coalesce(octet_length(i.content), 0), sha256(i.content), i.content,
       engine_now(), engine_now()
     from w, i where not exists (
       select 1 from files f where f.workspace_id = w.id and not f.is_directory and starts_with(i.path, f.path || '/'))
     on conflict (workspace_id, path) do nothing returning size_bytes)
   update workspaces x set revision = x.revision + 1, entry_count = x.entry_count + (select count(*) from n),
     total_bytes = x.total_bytes + (select coalesce(sum(size_bytes), 0) from n) from w where x.id = w.id`,
};

export interface SeedFile {
  path: string;
  bytes: Buffer;
  isReadonly: boolean;
}

/** Writes the files that are not there yet, in the transaction that makes or takes the workspace; what is there stays as it is. */
export async function seedFiles(tx: Queryable, at: { orgId: Uuid; workspaceId: Uuid }, files: readonly SeedFile[]): Promise<void> {
  if (files.length === 0) return;
  await tx.run(LOCK, [at.orgId, at.workspaceId]);
  await tx.run(SEED, [at.orgId, at.workspaceId, JSON.stringify([...directoryRows(files), ...files.map(fileRow)])]);
}

function directoryRows(files: readonly SeedFile[]): object[] {
  const paths = new Set(files.flatMap(({ path }) => ancestorPaths(path)));
  return [...paths].map((path) => ({ path, parent: parentPath(path), is_directory: true, is_readonly: false, is_binary: false }));
}

function fileRow({ path, bytes, isReadonly }: SeedFile): object {
  const fields = { path, parent: parentPath(path), is_directory: false, is_readonly: isReadonly };
  return { ...fields, is_binary: textOfBytes(bytes) === null, base64: bytes.toString('base64') };
}
