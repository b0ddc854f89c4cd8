import { CreateWorkspace, listOf, SearchQuery, searchTokens, UpdateWorkspace, Workspace } from '@everruns/contract';
import type { WorkspaceService } from '../../services/workspaces.ts';
import type { Api } from '../types.ts';
import { idPath, NoContent } from './params.ts';

const tags = ['Workspaces'];
const params = idPath('workspace');

export function workspaceRoutes(app: Api, workspaces: WorkspaceService): void {
  app.get(
    '/v1/workspaces',
    { schema: { tags, operationId: 'listWorkspaces', querystring: SearchQuery, response: { 200: listOf(Workspace) } } },
    async (request) => {
      const { search, include_archived } = request.query;
      const filter = { tokens: searchTokens(search), includeArchived: include_archived ?? false };
      return { data: await workspaces.list(request.scope, filter) };
    },
  );
  app.post(
    '/v1/workspaces',
    { schema: { tags, operationId: 'createWorkspace', body: CreateWorkspace, response: { 201: Workspace } } },
    async (request, reply) => reply.code(201).send(await workspaces.create(request.scope, request.body)),
  );
  app.get(
    '/v1/workspaces/:id',
    { schema: { tags, operationId: 'getWorkspace', params, response: { 200: Workspace } }, config: { cache: 'entity' } },
    async (request) => workspaces.get(request.scope, request.params.id),
  );
  app.patch(
    '/v1/workspaces/:id',
    {
      schema: { tags, operationId: 'updateWorkspace', params, body: UpdateWorkspace, response: { 200: Workspace } },
      config: { nulls: 'clear' },
    },
    async (request) => workspaces.update(request.scope, request.params.id, request.body),
  );
  app.delete(
    '/v1/workspaces/:id',
    { schema: { tags, operationId: 'archiveWorkspace', params, response: { 204: NoContent } } },
    async (request, reply) => {
      await workspaces.archive(request.scope, request.params.id);
      return reply.code(204).send();
    },
  );
  app.post(
    '/v1/workspaces/:id/delete',
    {
      schema: { tags, operationId: 'deleteWorkspace', params, response: { 204: NoContent } },
      config: { policy: 'org:sessions:dangerous' },
    },
    async (request, reply) => {
      await workspaces.remove(request.scope, request.params.id);
      return reply.code(204).send();
    },
  );
}
