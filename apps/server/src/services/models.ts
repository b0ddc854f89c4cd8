import { PlatformError, toPublicId } from '@everruns/contract';
import type { CreateModel, IdSource, Model, ModelsQuery, ModelWithProvider, UpdateModel, Uuid } from '@everruns/contract';
import { deleteModel, findModel, insertModel, listModels, updateModel } from '@everruns/storage';
import type { Database, ModelFields, ModelRow } from '@everruns/storage';
import type { Linker } from './links.ts';
import { keySource } from './model-resolution.ts';
import type { ResolutionPolicy } from './model-resolution.ts';
import { presentModel, presentModelWithProvider } from './present/provider.ts';
import type { CallerScope } from './scope.ts';

export interface ModelServiceDeps {
  db: Database;
  ids: IdSource;
  link: Linker;
  /** Says which models have a key at the moment. */
  resolution: ResolutionPolicy;
}

export interface ModelService {
  list(scope: CallerScope, query: ModelsQuery): Promise<ModelWithProvider[]>;
  listOf(scope: CallerScope, providerId: Uuid): Promise<Model[]>;
  get(scope: CallerScope, id: Uuid): Promise<ModelWithProvider>;
  create(scope: CallerScope, providerId: Uuid, request: CreateModel): Promise<Model>;
  update(scope: CallerScope, id: Uuid, request: UpdateModel): Promise<Model>;
  remove(scope: CallerScope, id: Uuid): Promise<void>;
}

export function createModelService(deps: ModelServiceDeps): ModelService {
  const { db, link } = deps;
  const full = (scope: CallerScope, row: ModelRow): ModelWithProvider =>
    presentModelWithProvider(row, isHealthy(scope.orgId, row, deps.resolution), link);
  const notFound = (): PlatformError => new PlatformError('not_found', 'There is no such model.');
  const taken = (name: string): PlatformError =>
    new PlatformError('name_taken', `The provider has a model "${name}" already.`, { field: 'model_id' });
  return {
    async list(scope, query) {
      const rows = await listModels(db, {
        orgId: scope.orgId,
        providerId: null,
        source: query.source ?? null,
        includeStale: query.include_stale ?? true,
        favoritesOnly: query.favorites_only ?? false,
      });
      return rows.map((row) => full(scope, row));
    },
    async listOf(scope, providerId) {
      const filter = { orgId: scope.orgId, providerId, source: null, includeStale: true, favoritesOnly: false };
      return (await listModels(db, filter)).map((row) => presentModel(row, link));
    },
    async get(scope, id) {
      const row = await findModel(db, scope.orgId, id);
      if (row === null) throw notFound();
      return full(scope, row);
    },
    async create(scope, providerId, request) {
      const fields: ModelFields = {
        provider_id: providerId,
        model_id: request.model_id,
        display_name: request.display_name,
        capabilities: request.capabilities ?? [],
        enabled: request.enabled ?? true,
        is_favorite: request.is_favorite ?? false,
        profile: request.profile ?? null,
        fallback_model_id: request.fallback_model_id ?? null,
      };
      await checkFallback(db, scope, { id: null, providerId, fallbackId: fields.fallback_model_id });
      const row = await insertModel(db, { id: deps.ids.next(), orgId: scope.orgId, fields, source: 'manual' });
      if (row === 'taken') throw taken(request.model_id);
      if (row === null) throw new PlatformError('not_found', 'There is no such provider.');
      return presentModel(row, link);
    },
    async update(scope, id, request) {
      const before = await findModel(db, scope.orgId, id);
      if (before === null) throw notFound();
      const providerId = request.provider_id ?? before.provider_id;
      const fallbackId = request.fallback_model_id === undefined ? before.fallback_model_id : request.fallback_model_id;
      const touches = request.fallback_model_id !== undefined || request.provider_id !== undefined;
      if (touches) await checkFallback(db, scope, { id, providerId, fallbackId });
      const row = await updateModel(db, scope.orgId, id, request as Partial<ModelFields>);
      if (row === 'taken') throw taken(request.model_id ?? before.model_id);
      if (row === null) throw new PlatformError('not_found', 'There is no such provider.', { field: 'provider_id' });
      return presentModel(row, link);
    },
    async remove(scope, id) {
      if (!(await deleteModel(db, scope.orgId, id))) throw notFound();
    },
  };
}

interface Fallback {
  id: Uuid | null;
  providerId: Uuid;
  fallbackId: Uuid | null;
}

/** A circuit is its provider's: a fallback at the same provider would wait behind the same one. */
async function checkFallback(db: Database, scope: CallerScope, { id, providerId, fallbackId }: Fallback): Promise<void> {
  if (fallbackId === null) return;
  const field = 'fallback_model_id';
  if (fallbackId === id) throw new PlatformError('invalid_request', 'A model cannot stand in for itself.', { field });
  const row = await findModel(db, scope.orgId, fallbackId);
  if (row === null) throw new PlatformError('unknown_model', `There is no model ${toPublicId('model', fallbackId)}.`, { field });
  if (row.provider_id === providerId) {
    throw new PlatformError('invalid_request', 'A fallback belongs to another provider: the circuit is shared by all models of one.', {
      field,
    });
  }
}

function isHealthy(orgId: Uuid, row: ModelRow, policy: ResolutionPolicy): boolean {
  const candidate = {
    providerType: row.provider_type,
    baseUrl: row.provider_base_url,
    apiKeyEncrypted: row.provider_key_set ? true : null,
  };
  return row.provider_status === 'active' && !row.stale && keySource(candidate, orgId, policy) !== 'none';
}
