import {
  CreateKnowledgeBase,
  CreateKnowledgeEntry,
  EntryQuery,
  idParam,
  KnowledgeBase,
  KnowledgeEntry,
  KnowledgeEntryList,
  KnowledgeResult,
  KnowledgeSearch,
  listOf,
  SearchQuery,
  searchTokens,
  UpdateKnowledgeBase,
  UpdateKnowledgeEntry,
} from '@everruns/contract';
import type { KnowledgeService } from '../../services/knowledge.ts';
import type { KnowledgeBundleService } from '../../services/knowledge-bundles/bundles.ts';
import type { Api } from '../types.ts';
import { knowledgeBundleRoutes } from './knowledge-bundles.ts';
import { idPath, NoContent } from './params.ts';

const tags = ['Knowledge bases'];
const path = '/v1/knowledge-bases';
const one = `${path}/:id`;
const params = idPath('knowledge_base');

export function knowledgeRoutes(app: Api, knowledge: KnowledgeService, bundles: KnowledgeBundleService): void {
  baseRoutes(app, knowledge);
  entryRoutes(app, knowledge);
  knowledgeBundleRoutes(app, bundles);
}

function baseRoutes(app: Api, knowledge: KnowledgeService): void {
  app.get(
    path,
    { schema: { tags, operationId: 'listKnowledgeBases', querystring: SearchQuery, response: { 200: listOf(KnowledgeBase) } } },
    async ({ scope, query }) => ({
      data: await knowledge.list(scope, { tokens: searchTokens(query.search), includeArchived: query.include_archived ?? false }),
    }),
  );
  app.post(
    path,
    { schema: { tags, operationId: 'createKnowledgeBase', body: CreateKnowledgeBase, response: { 201: KnowledgeBase } } },
    async (request, reply) => reply.code(201).send(await knowledge.create(request.scope, request.body)),
  );
  app.get(
    one,
    { schema: { tags, operationId: 'getKnowledgeBase', params, response: { 200: KnowledgeBase } }, config: { cache: 'entity' } },
    async (request) => knowledge.get(request.scope, request.params.id),
  );
  app.patch(
    one,
    {
      schema: { tags, operationId: 'updateKnowledgeBase', params, body: UpdateKnowledgeBase, response: { 200: KnowledgeBase } },
      config: { nulls: 'clear' },
    },
    async (request) => knowledge.update(request.scope, request.params.id, request.body),
  );
  app.delete(
    one,
    { schema: { tags, operationId: 'archiveKnowledgeBase', params, response: { 204: NoContent } } },
    async (request, reply) => {
      await knowledge.archive(request.scope, request.params.id);
      return reply.code(204).send();
    },
  );
  app.post(
    `${one}/delete`,
    {
      schema: { tags, operationId: 'deleteKnowledgeBase', params, response: { 204: NoContent } },
      config: { policy: 'org:knowledge:dangerous' },
    },
    async (request, reply) => {
      await knowledge.remove(request.scope, request.params.id);
      return reply.code(204).send();
    },
  );
  app.post(
    `${one}/search`,
    {
      schema: { tags, operationId: 'searchKnowledgeBase', params, body: KnowledgeSearch, response: { 200: listOf(KnowledgeResult) } },
      config: { policy: 'org:knowledge:view' },
    },
    async ({ scope, params: { id }, body }) => {
      await knowledge.get(scope, id);
      const { query, kind, tags: asked, limit } = body;
      return { data: await knowledge.search(scope, { bases: [id], query, kinds: kind == null ? null : [kind], tags: asked ?? [], limit }) };
    },
  );
}

function entryRoutes(app: Api, knowledge: KnowledgeService): void {
  const entries = `${one}/entries`;
  const entry = `${entries}/:entry_id`;
  const place = params.extend({ entry_id: idParam('knowledge_entry') });
  app.get(
    entries,
    { schema: { tags, operationId: 'listKnowledgeEntries', params, querystring: EntryQuery, response: { 200: KnowledgeEntryList } } },
    async ({ scope, params: { id }, query: { kind, search, offset, limit } }) =>
      knowledge.entries(scope, id, { kind: kind ?? null, tokens: searchTokens(search), offset, limit }),
  );
  app.post(
    entries,
    { schema: { tags, operationId: 'createKnowledgeEntry', params, body: CreateKnowledgeEntry, response: { 201: KnowledgeEntry } } },
    async (request, reply) => reply.code(201).send(await knowledge.write(request.scope, request.params.id, request.body)),
  );
  app.get(
    entry,
    { schema: { tags, operationId: 'getKnowledgeEntry', params: place, response: { 200: KnowledgeEntry } }, config: { cache: 'entity' } },
    async ({ scope, params: { id, entry_id } }) => knowledge.entry(scope, id, entry_id),
  );
  app.patch(
    entry,
    {
      schema: { tags, operationId: 'updateKnowledgeEntry', params: place, body: UpdateKnowledgeEntry, response: { 200: KnowledgeEntry } },
      config: { nulls: 'clear' },
    },
    async ({ scope, params: { id, entry_id }, body }) => knowledge.change(scope, { kbId: id, id: entry_id }, body),
  );
  app.delete(
    entry,
    { schema: { tags, operationId: 'deleteKnowledgeEntry', params: place, response: { 204: NoContent } } },
    async ({ scope, params: { id, entry_id } }, reply) => {
      await knowledge.removeEntry(scope, id, entry_id);
      return reply.code(204).send();
    },
  );
}
