import {
  configurationAliases,
  CreateHarness,
  Example,
  Harness,
  listOf,
  PolicyMap,
  Preview,
  PreviewHarness,
  ResourceStats,
  SearchQuery,
  searchTokens,
  Slug,
  UpdateHarness,
} from '@everruns/contract';
import { z } from 'zod';
import type { HarnessService } from '../../services/harnesses.ts';
import type { PreviewService } from '../../services/previews.ts';
import { exportHarness, importHarness } from '../../services/harness-documents.ts';
import { acceptDocuments, DocumentAnswer, documentOf, ExportQuery, sendDocument } from '../documents.ts';
import type { Api } from '../types.ts';
import { validBody } from '../validation.ts';
import { checkNameQuery, IdOrName, NoContent, policiesOf } from './params.ts';

const tags = ['Harnesses'];
const aliases = configurationAliases;

export interface HarnessRoutesDeps {
  harnesses: HarnessService;
  previews: PreviewService;
}

export function harnessRoutes(app: Api, { harnesses, previews }: HarnessRoutesDeps): void {
  app.get(
    '/v1/harnesses',
    { schema: { tags, operationId: 'listHarnesses', querystring: SearchQuery, response: { 200: listOf(Harness) } } },
    async (request) => {
      const { search, include_archived } = request.query;
      return {
        data: await harnesses.list(request.scope, { tokens: searchTokens(search), includeArchived: include_archived ?? false }),
      };
    },
  );
  app.post(
    '/v1/harnesses',
    { schema: { tags, operationId: 'createHarness', body: CreateHarness, response: { 201: Harness } }, config: { aliases } },
    async (request, reply) => reply.code(201).send(await harnesses.create(request.scope, request.body)),
  );
  app.get(
    '/v1/harnesses/:id_or_name',
    { schema: { tags, operationId: 'getHarness', params: IdOrName, response: { 200: Harness } }, config: { cache: 'entity' } },
    async (request) => harnesses.get(request.scope, request.params.id_or_name),
  );
  app.patch(
    '/v1/harnesses/:id_or_name',
    {
      schema: { tags, operationId: 'updateHarness', params: IdOrName, body: UpdateHarness, response: { 200: Harness } },
      config: { aliases, nulls: 'clear' },
    },
    async (request) => harnesses.update(request.scope, request.params.id_or_name, request.body),
  );
  app.delete(
    '/v1/harnesses/:id_or_name',
    { schema: { tags, operationId: 'archiveHarness', params: IdOrName, response: { 204: NoContent } } },
    async (request, reply) => {
      await harnesses.archive(request.scope, request.params.id_or_name);
      return reply.code(204).send();
    },
  );
  app.post(
    '/v1/harnesses/:id_or_name/delete',
    {
      schema: { tags, operationId: 'deleteHarness', params: IdOrName, response: { 204: NoContent } },
      config: { policy: 'org:harnesses:dangerous' },
    },
    async (request, reply) => {
      await harnesses.remove(request.scope, request.params.id_or_name);
      return reply.code(204).send();
    },
  );
  app.post(
    '/v1/harnesses/:id_or_name/copy',
    { schema: { tags, operationId: 'copyHarness', params: IdOrName, response: { 201: Harness } } },
    async (request, reply) => reply.code(201).send(await harnesses.copy(request.scope, request.params.id_or_name)),
  );
  app.get(
    '/v1/harnesses/:id_or_name/stats',
    { schema: { tags, operationId: 'getHarnessStats', params: IdOrName, response: { 200: ResourceStats } } },
    async (request) => harnesses.stats(request.scope, request.params.id_or_name),
  );
  harnessDocuments(app, harnesses);
  app.post(
    '/v1/harnesses/preview',
    {
      schema: { tags, operationId: 'previewHarness', body: PreviewHarness, response: { 200: Preview } },
      config: { aliases, policy: 'org:harnesses:view' },
    },
    async (request) => previews.harness(request.scope, request.body),
  );
  app.get(
    '/v1/harnesses/check-name',
    {
      schema: {
        tags,
        operationId: 'checkHarnessName',
        querystring: checkNameQuery('harness'),
        response: { 200: z.object({ available: z.boolean() }) },
      },
    },
    async (request) => {
      const { name, exclude_id } = request.query;
      return { available: await harnesses.nameAvailable(request.scope, name, exclude_id ?? null) };
    },
  );
  app.get('/v1/harness-examples', { schema: { tags, operationId: 'listHarnessExamples', response: { 200: z.array(Example) } } }, async () =>
    harnesses.examples(),
  );
  app.get(
    '/v1/harnesses/config',
    { schema: { tags, operationId: 'getHarnessPolicies', response: { 200: PolicyMap } } },
    async ({ scope }) => policiesOf(scope, 'harness'),
  );
}

function harnessDocuments(app: Api, harnesses: HarnessService): void {
  app.get(
    '/v1/harnesses/:id_or_name/export',
    { schema: { tags, operationId: 'exportHarness', params: IdOrName, querystring: ExportQuery, response: { 200: DocumentAnswer } } },
    async (request, reply) => {
      const harness = await harnesses.get(request.scope, request.params.id_or_name);
      return sendDocument(reply, request.query.format, exportHarness(harness, request.query.format));
    },
  );
  app.register(async (plain: Api) => {
    acceptDocuments(plain);
    plain.post(
      '/v1/harnesses/import',
      {
        schema: {
          tags,
          operationId: 'importHarness',
          consumes: ['text/plain'],
          querystring: z.object({ 'from-example': Slug.optional() }),
          response: { 200: Harness, 201: Harness },
        },
      },
      async (request, reply) => {
        const example = request.query['from-example'];
        if (example !== undefined) return reply.code(201).send(await harnesses.importExample(request.scope, example));
        const body = validBody(CreateHarness, configurationAliases(documentOf(request.body, importHarness)));
        const { harness, created } = await harnesses.apply(request.scope, body);
        return reply.code(created ? 201 : 200).send(harness);
      },
    );
  });
}
