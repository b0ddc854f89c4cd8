import {
  Agent,
  configurationAliases,
  CreateAgent,
  Example,
  pageLinks,
  PageQuery,
  paginated,
  PolicyMap,
  Preview,
  PreviewAgent,
  PutAgent,
  ResourceStats,
  SearchQuery,
  searchTokens,
  Slug,
  UpdateAgent,
} from '@everruns/contract';
import { z } from 'zod';
import { exportAgent, importAgent } from '../../services/agent-documents.ts';
import type { AgentService } from '../../services/agents.ts';
import type { PreviewService } from '../../services/previews.ts';
import { acceptDocuments, DocumentAnswer, documentOf, ExportQuery, sendDocument } from '../documents.ts';
import type { Api } from '../types.ts';
import { validBody } from '../validation.ts';
import { checkNameQuery, IdOrName, NoContent, policiesOf } from './params.ts';

const tags = ['Agents'];
const aliases = configurationAliases;
/** The TypeScript SDK reads `agents`, everybody else `data`. */
const AgentList = paginated(Agent).extend({ agents: z.array(Agent).describe('The same as data') });

export interface AgentRoutesDeps {
  agents: AgentService;
  previews: PreviewService;
  urlOf: (path: string) => string;
}

export function agentRoutes(app: Api, { agents, previews, urlOf }: AgentRoutesDeps): void {
  app.get(
    '/v1/agents',
    { schema: { tags, operationId: 'listAgents', querystring: PageQuery.extend(SearchQuery.shape), response: { 200: AgentList } } },
    async (request) => {
      const { search, include_archived, ...page } = request.query;
      const found = await agents.list(request.scope, { ...page, tokens: searchTokens(search), includeArchived: include_archived ?? false });
      return { data: found.rows, agents: found.rows, total: found.total, ...page, ...pageLinks(urlOf(request.url), page, found.total) };
    },
  );
  app.post(
    '/v1/agents',
    { schema: { tags, operationId: 'createAgent', body: CreateAgent, response: { 200: Agent, 201: Agent } }, config: { aliases } },
    async (request, reply) => {
      const { agent, created } = await agents.apply(request.scope, request.body);
      return reply.code(created ? 201 : 200).send(agent);
    },
  );
  app.get(
    '/v1/agents/:id_or_name',
    { schema: { tags, operationId: 'getAgent', params: IdOrName, response: { 200: Agent } }, config: { cache: 'entity' } },
    async (request) => agents.get(request.scope, request.params.id_or_name),
  );
  app.put(
    '/v1/agents/:id_or_name',
    {
      schema: { tags, operationId: 'putAgent', params: IdOrName, body: PutAgent, response: { 200: Agent, 201: Agent } },
      config: { aliases },
    },
    async (request, reply) => {
      const { agent, created } = await agents.put(request.scope, request.params.id_or_name, request.body);
      return reply.code(created ? 201 : 200).send(agent);
    },
  );
  app.patch(
    '/v1/agents/:id_or_name',
    {
      schema: { tags, operationId: 'updateAgent', params: IdOrName, body: UpdateAgent, response: { 200: Agent } },
      config: { aliases, nulls: 'clear' },
    },
    async (request) => agents.update(request.scope, request.params.id_or_name, request.body),
  );
  app.delete(
    '/v1/agents/:id_or_name',
    { schema: { tags, operationId: 'archiveAgent', params: IdOrName, response: { 204: NoContent } } },
    async (request, reply) => {
      await agents.archive(request.scope, request.params.id_or_name);
      return reply.code(204).send();
    },
  );
  app.post(
    '/v1/agents/:id_or_name/delete',
    {
      schema: { tags, operationId: 'deleteAgent', params: IdOrName, response: { 204: NoContent } },
      config: { policy: 'org:agents:dangerous' },
    },
    async (request, reply) => {
      await agents.remove(request.scope, request.params.id_or_name);
      return reply.code(204).send();
    },
  );
  app.post(
    '/v1/agents/:id_or_name/copy',
    { schema: { tags, operationId: 'copyAgent', params: IdOrName, response: { 201: Agent } } },
    async (request, reply) => reply.code(201).send(await agents.copy(request.scope, request.params.id_or_name)),
  );
  app.get(
    '/v1/agents/:id_or_name/stats',
    { schema: { tags, operationId: 'getAgentStats', params: IdOrName, response: { 200: ResourceStats } } },
    async (request) => agents.stats(request.scope, request.params.id_or_name),
  );
  agentExtras(app, { agents, previews });
  agentDocuments(app, agents);
}

function agentExtras(app: Api, { agents, previews }: Omit<AgentRoutesDeps, 'urlOf'>): void {
  app.get(
    '/v1/agents/check-name',
    {
      schema: {
        tags,
        operationId: 'checkAgentName',
        querystring: checkNameQuery('agent'),
        response: { 200: z.object({ available: z.boolean() }) },
      },
    },
    async (request) => {
      const { name, exclude_id } = request.query;
      return { available: await agents.nameAvailable(request.scope, name, exclude_id ?? null) };
    },
  );
  app.get('/v1/agent-examples', { schema: { tags, operationId: 'listAgentExamples', response: { 200: z.array(Example) } } }, async () =>
    agents.examples(),
  );
  app.post(
    '/v1/agent-examples/:name/use',
    { schema: { tags, operationId: 'useAgentExample', params: z.object({ name: Slug }), response: { 201: Agent } } },
    async (request, reply) => reply.code(201).send(await agents.importExample(request.scope, request.params.name)),
  );
  app.get('/v1/agents/config', { schema: { tags, operationId: 'getAgentPolicies', response: { 200: PolicyMap } } }, async ({ scope }) =>
    policiesOf(scope, 'agent'),
  );
  app.post(
    '/v1/agents/preview',
    {
      schema: { tags, operationId: 'previewAgent', body: PreviewAgent, response: { 200: Preview } },
      config: { aliases, policy: 'org:agents:view' },
    },
    async (request) => previews.agent(request.scope, request.body),
  );
}

/** Agents as documents: bodies are text whatever the content type says, in a context of their own. */
function agentDocuments(app: Api, agents: AgentService): void {
  app.get(
    '/v1/agents/:id_or_name/export',
    {
      schema: {
        tags,
        operationId: 'exportAgent',
        params: IdOrName,
        querystring: ExportQuery,
        response: { 200: DocumentAnswer },
      },
    },
    async (request, reply) => {
      const agent = await agents.get(request.scope, request.params.id_or_name);
      return sendDocument(reply, request.query.format, exportAgent(agent, request.query.format));
    },
  );
  app.register(async (plain: Api) => {
    acceptDocuments(plain);
    plain.post(
      '/v1/agents/import',
      {
        schema: {
          tags,
          operationId: 'importAgent',
          consumes: ['text/plain'],
          querystring: z.object({ 'from-example': z.string().optional() }),
          response: { 200: Agent, 201: Agent },
        },
      },
      async (request, reply) => {
        const example = request.query['from-example'];
        if (example !== undefined) return reply.code(201).send(await agents.importExample(request.scope, example));
        const body = validBody(CreateAgent, configurationAliases(documentOf(request.body, importAgent)));
        const { agent, created } = await agents.apply(request.scope, body);
        return reply.code(created ? 201 : 200).send(agent);
      },
    );
  });
}
