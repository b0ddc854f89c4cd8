import {
  CheckCredentials,
  CheckedCredentials,
  CreateModel,
  CreateProvider,
  DriverInfo,
  listOf,
  Model,
  ModelsQuery,
  ModelWithProvider,
  PolicyMap,
  Provider,
  SyncResult,
  UpdateModel,
  UpdateProvider,
} from '@everruns/contract';
import { z } from 'zod';
import type { CatalogueService } from '../../services/catalogues.ts';
import type { ModelService } from '../../services/models.ts';
import { driverInfos } from '../../services/providers.ts';
import type { ProviderService } from '../../services/providers.ts';
import type { Api } from '../types.ts';
import { idPath, NoContent, policiesOf } from './params.ts';

const PREFIXES = [
  { providers: '/v1/providers', models: '/v1/models', hide: false },
  // Names that older documents and clients use.
  { providers: '/v1/llm-providers', models: '/v1/llm-models', hide: true },
];
const providerPath = idPath('provider');
const modelPath = idPath('model');

export interface ProviderRoutesDeps {
  providers: ProviderService;
  catalogues: CatalogueService;
  models: ModelService;
  /** Types that the form for a new provider offers. */
  driverTypes: readonly string[];
}

export function providerRoutes(app: Api, deps: ProviderRoutesDeps): void {
  for (const prefix of PREFIXES) {
    mountProviders(app, deps, { path: prefix.providers, hide: prefix.hide });
    mountProviderModels(app, deps, { path: prefix.providers, hide: prefix.hide });
    mountModels(app, deps, { path: prefix.models, hide: prefix.hide });
  }
}

interface Mount {
  path: string;
  hide: boolean;
}

function mountProviders(app: Api, { providers, driverTypes }: ProviderRoutesDeps, { path, hide }: Mount): void {
  const tags = ['Providers'];
  app.get(path, { schema: { hide, tags, operationId: 'listProviders', response: { 200: listOf(Provider) } } }, async (request) => ({
    data: await providers.list(request.scope),
  }));
  app.post(
    path,
    { schema: { hide, tags, operationId: 'createProvider', body: CreateProvider, response: { 201: Provider } } },
    async (request, reply) => reply.code(201).send(await providers.create(request.scope, request.body)),
  );
  app.get(
    `${path}/config`,
    {
      schema: {
        hide,
        tags,
        operationId: 'getProviderPolicies',
        response: { 200: PolicyMap.extend({ drivers: z.array(DriverInfo) }) },
      },
    },
    async ({ scope }) => ({ ...policiesOf(scope, 'provider'), drivers: driverInfos(driverTypes) }),
  );
  app.get(
    `${path}/:id`,
    { schema: { hide, tags, operationId: 'getProvider', params: providerPath, response: { 200: Provider } }, config: { cache: 'entity' } },
    async (request) => providers.get(request.scope, request.params.id),
  );
  app.patch(
    `${path}/:id`,
    {
      schema: { hide, tags, operationId: 'updateProvider', params: providerPath, body: UpdateProvider, response: { 200: Provider } },
      config: { nulls: 'clear' },
    },
    async (request) => providers.update(request.scope, request.params.id, request.body),
  );
  app.delete(
    `${path}/:id`,
    { schema: { hide, tags, operationId: 'deleteProvider', params: providerPath, response: { 204: NoContent } } },
    async (request, reply) => {
      await providers.remove(request.scope, request.params.id);
      return reply.code(204).send();
    },
  );
}

function mountProviderModels(app: Api, { providers, models, catalogues }: ProviderRoutesDeps, { path, hide }: Mount): void {
  const tags = ['Providers'];
  app.post(
    `${path}/:id/sync-models`,
    { schema: { hide, tags, operationId: 'syncProviderModels', params: providerPath, response: { 200: SyncResult } } },
    async (request) => catalogues.sync(request.scope, request.params.id),
  );
  app.post(
    `${path}/check-credentials`,
    {
      schema: { hide, tags, operationId: 'checkProviderCredentials', body: CheckCredentials, response: { 200: CheckedCredentials } },
    },
    async (request) => catalogues.check(request.scope, request.body),
  );
  app.get(
    `${path}/:id/models`,
    { schema: { hide, tags, operationId: 'listProviderModels', params: providerPath, response: { 200: listOf(Model) } } },
    async (request) => {
      await providers.require(request.scope, request.params.id);
      return { data: await models.listOf(request.scope, request.params.id) };
    },
  );
  app.post(
    `${path}/:id/models`,
    { schema: { hide, tags, operationId: 'createModel', params: providerPath, body: CreateModel, response: { 201: Model } } },
    async (request, reply) => reply.code(201).send(await models.create(request.scope, request.params.id, request.body)),
  );
}

function mountModels(app: Api, { models }: ProviderRoutesDeps, { path, hide }: Mount): void {
  const tags = ['Models'];
  app.get(
    path,
    { schema: { hide, tags, operationId: 'listModels', querystring: ModelsQuery, response: { 200: listOf(ModelWithProvider) } } },
    async (request) => ({ data: await models.list(request.scope, request.query) }),
  );
  app.get(`${path}/config`, { schema: { hide, tags, operationId: 'getModelPolicies', response: { 200: PolicyMap } } }, async ({ scope }) =>
    policiesOf(scope, 'model'),
  );
  app.get(
    `${path}/:id`,
    {
      schema: { hide, tags, operationId: 'getModel', params: modelPath, response: { 200: ModelWithProvider } },
      config: { cache: 'entity' },
    },
    async (request) => models.get(request.scope, request.params.id),
  );
  app.patch(
    `${path}/:id`,
    {
      schema: { hide, tags, operationId: 'updateModel', params: modelPath, body: UpdateModel, response: { 200: Model } },
      config: { nulls: 'clear' },
    },
    async (request) => models.update(request.scope, request.params.id, request.body),
  );
  app.delete(
    `${path}/:id`,
    { schema: { hide, tags, operationId: 'deleteModel', params: modelPath, response: { 204: NoContent } } },
    async (request, reply) => {
      await models.remove(request.scope, request.params.id);
      return reply.code(204).send();
    },
  );
}
