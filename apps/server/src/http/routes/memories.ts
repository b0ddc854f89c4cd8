import { CreateMemory, listOf, Memory, MemoryQuery, searchTokens, UpdateMemory } from '@everruns/contract';
import type { FileService } from '../../services/files.ts';
import type { MemoryService } from '../../services/memories.ts';
import type { Api } from '../types.ts';
import { memoryFileRoutes } from './memory-files.ts';
import { idPath, NoContent } from './params.ts';

const tags = ['Memories'];
const params = idPath('memory');
const path = '/v1/memories';
const one = `${path}/:id`;

export function memoryRoutes(app: Api, memories: MemoryService, files: FileService): void {
  app.get(
    path,
    { schema: { tags, operationId: 'listMemories', querystring: MemoryQuery, response: { 200: listOf(Memory) } } },
    async ({ scope, query }) => {
      const filter = { tokens: searchTokens(query.search), includeArchived: query.include_archived ?? false };
      return { data: await memories.list(scope, { ...filter, scope: query.scope ?? 'organization' }) };
    },
  );
  app.post(path, { schema: { tags, operationId: 'createMemory', body: CreateMemory, response: { 201: Memory } } }, async (request, reply) =>
    reply.code(201).send(await memories.create(request.scope, request.body)),
  );
  app.get(
    one,
    { schema: { tags, operationId: 'getMemory', params, response: { 200: Memory } }, config: { cache: 'entity' } },
    async (request) => memories.get(request.scope, request.params.id),
  );
  app.patch(
    one,
    { schema: { tags, operationId: 'updateMemory', params, body: UpdateMemory, response: { 200: Memory } }, config: { nulls: 'clear' } },
    async (request) => memories.update(request.scope, request.params.id, request.body),
  );
  app.delete(one, { schema: { tags, operationId: 'archiveMemory', params, response: { 204: NoContent } } }, async (request, reply) => {
    await memories.archive(request.scope, request.params.id);
    return reply.code(204).send();
  });
  app.post(
    `${one}/delete`,
    { schema: { tags, operationId: 'deleteMemory', params, response: { 204: NoContent } }, config: { policy: 'org:memories:dangerous' } },
    async (request, reply) => {
      await memories.remove(request.scope, request.params.id);
      return reply.code(204).send();
    },
  );
  app.post(`${one}/sync`, { schema: { tags, operationId: 'syncMemory', params, response: { 200: Memory } } }, async (request) =>
    memories.sync(request.scope, request.params.id),
  );
  memoryFileRoutes(app, memories, files);
}
