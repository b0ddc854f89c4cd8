import type { Uuid } from '@everruns/contract';
import type { Queryable, Row, Statement } from '../database.ts';
import { matchesTokens } from '../resources/harnesses.ts';
import type { BuildingBlockState } from '../resources/harnesses.ts';
import { unlessTaken } from '../resources/violations.ts';

/** Workspaces as people manage them. Those that belong to one session alone have no name and are in no list. */

export interface WorkspaceRow extends Row {
  id: Uuid;
  name: string | null;
  description: string | null;
  session_id: Uuid | null;
  status: BuildingBlockState;
  created_at: Date;
  updated_at: Date;
  archived_at: Date | null;
  deleted_at: Date | null;
}

const SHOWN = ['id', 'name', 'description', 'session_id', 'status', 'created_at', 'updated_at', 'archived_at', 'deleted_at'];
const COLUMNS = SHOWN.join(', ');
const shown = (w: string): string => SHOWN.map((column) => `${w}.${column}`).join(', ');

const LIST: Statement = {
  name: 'workspace_list',
  text: `select ${COLUMNS} from workspaces where org_id = $1 and name is not null and status <> 'deleted' and ($2 or status = 'active')
     and ${matchesTokens('$3', `name || ' ' || coalesce(description, '')`)} order by created_at desc, id desc`,
};
const FIND: Statement = {
  name: 'workspace_find',
  text: `select ${COLUMNS} from workspaces where org_id = $1 and id = $2 and status <> 'deleted'`,
};
const INSERT: Statement = {
  name: 'workspace_insert',
  text: `insert into workspaces (id, org_id, name, description) values ($1, $2, $3, $4) returning ${COLUMNS}`,
};
/** An archived one changes only by becoming active again. */
const UPDATE: Statement = {
  name: 'workspace_update',
  text: `update workspaces x set name = n.name, description = n.description, status = n.status, updated_at = clock_timestamp(),
       archived_at = case when n.status = 'archived' then coalesce(x.archived_at, clock_timestamp()) end
     from workspaces w, jsonb_populate_record(w, $3) n
     where w.id = $2 and w.org_id = $1 and x.id = w.id and x.status <> 'deleted' and (x.status = 'active' or n.status = 'active') returning ${shown('x')}`,
};
/** The row stays as a tombstone, for the sessions that used it; its files go at once. */
const DELETE: Statement = {
  name: 'workspace_delete',
  text: `with w as (
       update workspaces set status = 'deleted', deleted_at = clock_timestamp(), updated_at = clock_timestamp(), entry_count = 0, total_bytes = 0,
         revision = revision + 1
       where org_id = $1 and id = $2 and status = 'archived' returning id),
     f as (delete from files using w where files.workspace_id = w.id)
     select id from w`,
};

export function listWorkspaces(
  db: Queryable,
  { orgId, includeArchived, tokens }: { orgId: Uuid; includeArchived: boolean; tokens: readonly string[] },
): Promise<WorkspaceRow[]> {
  return db.run<WorkspaceRow>(LIST, [orgId, includeArchived, tokens]);
}

export async function findWorkspace(db: Queryable, orgId: Uuid, id: Uuid): Promise<WorkspaceRow | null> {
  return (await db.run<WorkspaceRow>(FIND, [orgId, id]))[0] ?? null;
}

export function insertWorkspace(
  db: Queryable,
  workspace: { id: Uuid; orgId: Uuid; name: string; description: string | null },
): Promise<WorkspaceRow | 'taken'> {
  const { id, orgId, name, description } = workspace;
  return unlessTaken(
    ['workspaces_name'],
    async () => (await db.run<WorkspaceRow>(INSERT, [id, orgId, name, description]))[0] as WorkspaceRow,
  );
}

export type WorkspaceChanges = Partial<Pick<WorkspaceRow, 'name' | 'description' | 'status'>>;

/** Null when it is not there, or is archived and stays so. */
export function updateWorkspace(
  db: Queryable,
  at: { orgId: Uuid; id: Uuid },
  changes: WorkspaceChanges,
): Promise<WorkspaceRow | 'taken' | null> {
  return unlessTaken(['workspaces_name'], async () => {
    return (await db.run<WorkspaceRow>(UPDATE, [at.orgId, at.id, JSON.stringify(changes)]))[0] ?? null;
  });
}

/** False when it is not there or not archived. */
export async function deleteWorkspace(db: Queryable, orgId: Uuid, id: Uuid): Promise<boolean> {
  return (await db.run(DELETE, [orgId, id])).length > 0;
}
