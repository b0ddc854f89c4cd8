import {
  CreateMcpServer,
  listOf,
  McpServer,
  McpServerExample,
  PolicyMap,
  SearchQuery,
  searchTokens,
  Slug,
  UpdateMcpServer,
  UseMcpServerExample,
} from '@everruns/contract';
import { z } from 'zod';
import type { McpServerService } from '../../services/mcp-servers.ts';
import type { Api } from '../types.ts';
import { idPath, NoContent, policiesOf } from './params.ts';

const tags = ['MCP servers'];
const path = '/v1/mcp-servers';
const one = `${path}/:id`;
const params = idPath('mcp');

export function mcpServerRoutes(app: Api, servers: McpServerService): void {
  app.get(
    path,
    { schema: { tags, operationId: 'listMcpServers', querystring: SearchQuery, response: { 200: listOf(McpServer) } } },
    async ({ scope, query }) => ({
      data: await servers.list(scope, { tokens: searchTokens(query.search), includeArchived: query.include_archived ?? false }),
    }),
  );
  app.post(
    path,
    { schema: { tags, operationId: 'createMcpServer', body: CreateMcpServer, response: { 201: McpServer } } },
    async (request, reply) => reply.code(201).send(await servers.create(request.scope, request.body)),
  );
  app.get(
    '/v1/mcp-server-examples',
    { schema: { tags, operationId: 'listMcpServerExamples', response: { 200: z.array(McpServerExample) } } },
    async () => servers.examples(),
  );
  app.post(
    '/v1/mcp-server-examples/:slug/use',
    {
      schema: {
        tags,
        operationId: 'useMcpServerExample',
        params: z.object({ slug: Slug }),
        body: UseMcpServerExample,
        response: { 201: McpServer },
      },
    },
    async (request, reply) => reply.code(201).send(await servers.useExample(request.scope, request.params.slug, request.body)),
  );
  app.get(`${path}/config`, { schema: { tags, operationId: 'getMcpServerPolicies', response: { 200: PolicyMap } } }, async ({ scope }) =>
    policiesOf(scope, 'mcp_server'),
  );
  app.get(
    one,
    { schema: { tags, operationId: 'getMcpServer', params, response: { 200: McpServer } }, config: { cache: 'entity' } },
    async (request) => servers.get(request.scope, request.params.id),
  );
  app.patch(
    one,
    {
      schema: { tags, operationId: 'updateMcpServer', params, body: UpdateMcpServer, response: { 200: McpServer } },
      config: { nulls: 'clear' },
    },
    async (request) => servers.update(request.scope, request.params.id, request.body),
  );
  app.delete(one, { schema: { tags, operationId: 'archiveMcpServer', params, response: { 204: NoContent } } }, async (request, reply) => {
    await servers.archive(request.scope, request.params.id);
    return reply.code(204).send();
  });
  app.post(
    `${one}/delete`,
    {
      schema: { tags, operationId: 'deleteMcpServer', params, response: { 204: NoContent } },
      config: { policy: 'org:mcp-servers:dangerous' },
    },
    async (request, reply) => {
      await servers.remove(request.scope, request.params.id);
      return reply.code(204).send();
    },
  );
}
