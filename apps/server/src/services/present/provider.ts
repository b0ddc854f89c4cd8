import { effectiveProfile } from '@everruns/agent/profiles/lookup';
import { MODEL_VENDORS, toPublicId } from '@everruns/contract';
import type { Model, ModelWithProvider, Provider } from '@everruns/contract';
import type { ModelRow, ProviderRow } from '@everruns/storage';
import type { ActionSpec, Linker } from '../links.ts';
import { iso, isoOrNull, present } from './fields.ts';

const PROVIDER_ACTIONS: readonly ActionSpec[] = [
  { rel: 'self', method: 'GET', operation: 'getProvider' },
  { rel: 'update', method: 'PATCH', operation: 'updateProvider' },
  { rel: 'delete', method: 'DELETE', operation: 'deleteProvider' },
  { rel: 'models', method: 'GET', operation: 'listProviderModels', suffix: '/models' },
];
const MODEL_ACTIONS: readonly ActionSpec[] = [
  { rel: 'self', method: 'GET', operation: 'getModel' },
  { rel: 'update', method: 'PATCH', operation: 'updateModel' },
  { rel: 'delete', method: 'DELETE', operation: 'deleteModel' },
];

export function presentProvider(row: ProviderRow, link: Linker): Provider {
  const id = toPublicId('provider', row.id);
  return {
    ...present({
      id,
      name: row.name,
      provider_type: row.provider_type,
      status: row.status,
      api_key_set: row.api_key_set,
      base_url: row.base_url,
      trace: row.trace as Provider['trace'] | null,
      options: row.options,
      last_synced_at: isoOrNull(row.last_synced_at),
      created_at: iso(row.created_at),
      updated_at: iso(row.updated_at),
    }),
    ...link({ path: `providers/${id}`, viewPath: `settings/providers/${id}`, actions: PROVIDER_ACTIONS }),
  } as Provider;
}

export function presentModel(row: ModelRow, link: Linker): Model {
  const id = toPublicId('model', row.id);
  return {
    id,
    provider_id: toPublicId('provider', row.provider_id),
    model_id: row.model_id,
    display_name: row.display_name,
    capabilities: row.capabilities,
    enabled: row.enabled,
    is_favorite: row.is_favorite,
    source: row.source,
    stale: row.stale,
    ...(row.last_seen_at === null ? {} : { last_seen_at: iso(row.last_seen_at) }),
    ...(row.fallback_model_id === null ? {} : { fallback_model_id: toPublicId('model', row.fallback_model_id) }),
    ...(row.profile === null ? {} : { profile_overrides: row.profile }),
    created_at: iso(row.created_at),
    updated_at: iso(row.updated_at),
    ...link({
      path: `models/${id}`,
      viewPath: `settings/providers/${toPublicId('provider', row.provider_id)}/models/${id}`,
      actions: MODEL_ACTIONS,
    }),
  };
}

/** `healthy`: a call with it could be made now, as far as configuration says. */
export function presentModelWithProvider(row: ModelRow, healthy: boolean, link: Linker): ModelWithProvider {
  const vendor = vendorOf(row);
  const identity = { providerType: row.provider_type, model: row.model_id, baseUrl: row.provider_base_url };
  const profile = effectiveProfile(identity, row.profile);
  return {
    ...presentModel(row, link),
    provider_name: row.provider_name,
    provider_type: row.provider_type,
    healthy,
    ...(vendor === undefined ? {} : { model_vendor: vendor }),
    ...(profile === undefined ? {} : { profile }),
  };
}

/** Who made the model: plain for a vendor's own API, by the prefix of the name (`qwen/...`) elsewhere. */
function vendorOf(row: ModelRow): ModelWithProvider['model_vendor'] {
  const own = MODEL_VENDORS.find((vendor) => vendor === row.provider_type);
  if (own !== undefined && row.provider_base_url === null) return own;
  const prefix = row.model_id.split('/')[0]?.toLowerCase();
  return MODEL_VENDORS.find((vendor) => vendor === prefix) ?? own;
}
