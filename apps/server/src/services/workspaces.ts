import { PlatformError } from '@everruns/contract';
import type { CreateWorkspace, IdSource, UpdateWorkspace, Uuid, Workspace } from '@everruns/contract';
import { deleteWorkspace, findWorkspace, insertWorkspace, listWorkspaces, updateWorkspace } from '@everruns/storage';
import type { Database, WorkspaceChanges, WorkspaceRow } from '@everruns/storage';
import { presentWorkspace } from './present/file.ts';
import type { CallerScope } from './scope.ts';

export interface WorkspaceService {
  /** Those with a name; the workspace of a single session is found by its id. */
  list(scope: CallerScope, filter: { tokens: readonly string[]; includeArchived: boolean }): Promise<Workspace[]>;
  get(scope: CallerScope, id: Uuid): Promise<Workspace>;
  create(scope: CallerScope, request: CreateWorkspace): Promise<Workspace>;
  update(scope: CallerScope, id: Uuid, request: UpdateWorkspace): Promise<Workspace>;
  archive(scope: CallerScope, id: Uuid): Promise<void>;
  /** For good, with its files; of an archived one only. */
  remove(scope: CallerScope, id: Uuid): Promise<void>;
}

export function createWorkspaceService({ db, ids }: { db: Database; ids: IdSource }): WorkspaceService {
  const require = async ({ orgId }: CallerScope, id: Uuid): Promise<WorkspaceRow> => {
    const row = await findWorkspace(db, orgId, id);
    if (row === null) throw new PlatformError('not_found', 'There is no such workspace.');
    return row;
  };
  return {
    list: async ({ orgId }, filter) => (await listWorkspaces(db, { orgId, ...filter })).map(presentWorkspace),
    get: async (scope, id) => presentWorkspace(await require(scope, id)),
    async create({ orgId }, { name, description }) {
      const row = await insertWorkspace(db, { id: ids.next(), orgId, name, description: description ?? null });
      if (row === 'taken') throw nameTaken(name);
      return presentWorkspace(row);
    },
    async update(scope, id, request) {
      const before = await require(scope, id);
      const row = await updateWorkspace(db, { orgId: scope.orgId, id }, request as WorkspaceChanges);
      if (row === 'taken') throw nameTaken(request.name ?? '');
      if (row === null)
        throw new PlatformError('wrong_state', `The workspace "${before.name ?? ''}" is archived; make it active to change it.`);
      return presentWorkspace(row);
    },
    async archive(scope, id) {
      const row = await require(scope, id);
      if (row.status === 'active') await updateWorkspace(db, { orgId: scope.orgId, id }, { status: 'archived' });
    },
    async remove(scope, id) {
      await require(scope, id);
      if (await deleteWorkspace(db, scope.orgId, id)) return;
      throw new PlatformError('wrong_state', 'Only an archived workspace can be deleted; archive it first.');
    },
  };
}

function nameTaken(name: string): PlatformError {
  return new PlatformError('name_taken', `There is a workspace "${name}" already.`, { field: 'name' });
}
