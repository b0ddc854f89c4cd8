import { profileOf } from '@everruns/agent/profiles/lookup';
import { PlatformError } from '@everruns/contract';
import type {
  CatalogueInput,
  CatalogueOutcome,
  CheckCredentials,
  CheckedCredentials,
  IdSource,
  ResolvedModel,
  SyncResult,
  Uuid,
} from '@everruns/contract';
import { findProviderSecrets, syncModels } from '@everruns/storage';
import type { Database, ListedModelRow, ProviderSecrets, Vault } from '@everruns/storage';
import type { CatalogueAsker } from '../turns/catalogues.ts';
import type { OpenProvider } from '../turns/context.ts';
import { createModelResolver } from './model-resolution.ts';
import type { ResolutionPolicy } from './model-resolution.ts';
import type { CallerScope } from './scope.ts';

export interface CatalogueServiceDeps {
  db: Database;
  ids: IdSource;
  vault: Vault;
  resolution: ResolutionPolicy;
  asker: CatalogueAsker;
}

export interface CatalogueService {
  /** Brings in the models that the provider lists, asked by a worker. */
  sync(scope: CallerScope, providerId: Uuid): Promise<SyncResult>;
  /** The same for nobody in particular. */
  syncOf(orgId: Uuid, providerId: Uuid): Promise<SyncResult>;
  /** Tries a key before it is stored. */
  check(scope: CallerScope, request: CheckCredentials): Promise<CheckedCredentials>;
}

/** A worker has to take the task, and the provider has to answer. */
const TIMEOUT_MS = 50_000;
const NO_WORKER = 'No worker could ask the provider. Try again when one is attached.';
/** The simulated models have no list; everything else is for the worker's driver to say. */
const UNLISTED = 'llmsim';

type Provider = CatalogueInput['provider'];

export function createCatalogueService(deps: CatalogueServiceDeps): CatalogueService {
  const { db, ids, vault, asker } = deps;
  const ask = async (orgId: Uuid, provider: Provider): Promise<CatalogueOutcome> => {
    const seal = (workflowId: Uuid): Promise<unknown> => vault.seal(placeOf({ orgId, workflowId }), JSON.stringify(provider));
    const outcome = await asker.ask(orgId, seal, TIMEOUT_MS);
    if (outcome === null || outcome.error?.kind === 'unasked') throw new PlatformError('unavailable', NO_WORKER, { retryAfterSeconds: 5 });
    return outcome;
  };
  const syncOf = async (orgId: Uuid, providerId: Uuid): Promise<SyncResult> => {
    const row = await findProviderSecrets(db, orgId, providerId);
    if (row === null) throw new PlatformError('not_found', 'There is no such provider.');
    if (row.provider_type === UNLISTED) return { status: 'not_supported' };
    const outcome = await ask(orgId, await openedProvider(deps, orgId, row));
    if (outcome.error !== undefined) throw refusal(outcome.error);
    const models = outcome.models ?? null;
    if (models === null) return { status: 'not_supported' };
    // All of ours would go stale: more likely the list is broken than the shop is empty.
    if (models.length === 0) throw new PlatformError('provider_unavailable', 'The provider lists no models.');
    const listed = models.map((model) => listedRow(row, model, ids.next()));
    const counts = await syncModels(db, { orgId, providerId }, listed);
    if (counts === null) throw new PlatformError('not_found', 'There is no such provider.');
    return { status: 'success', ...counts };
  };
  return {
    syncOf,
    sync: (scope, providerId) => syncOf(scope.orgId, providerId),
    async check(scope, request) {
      if (request.provider_type === UNLISTED) return { valid: true, status: 'valid', model_count: 0 };
      const { api_key: fromCredentials, ...credentials } = request.credentials ?? {};
      const apiKey = request.api_key ?? fromCredentials;
      const outcome = await ask(scope.orgId, {
        provider_type: request.provider_type,
        ...(apiKey === undefined ? {} : { api_key: apiKey }),
        ...(request.base_url == null ? {} : { base_url: request.base_url }),
        options: { ...request.options, credentials },
      });
      return checked(outcome);
    },
  };
}

/** The other half: what lay in the queue, opened for the worker that asks. */
export function createProviderOpener(vault: Vault): OpenProvider {
  return async (sealed, at) => JSON.parse(await vault.open(placeOf(at), sealed)) as Provider;
}

function placeOf(at: { orgId: Uuid; workflowId: Uuid }) {
  return { table: 'workflows', column: 'provider', rowId: at.workflowId, orgId: at.orgId };
}

/** With the key that a call of one of its models would use. */
async function openedProvider({ resolution, vault }: CatalogueServiceDeps, orgId: Uuid, row: ProviderSecrets): Promise<Provider> {
  const candidate = {
    modelId: row.id,
    model: '',
    providerId: row.id,
    providerType: row.provider_type,
    baseUrl: row.base_url,
    options: row.options,
    apiKeyEncrypted: row.api_key_encrypted,
    credentialsEncrypted: row.credentials_encrypted,
    profile: null,
  };
  const resolver = createModelResolver({ config: resolution, secrets: vault });
  const model: ResolvedModel = await resolver.resolve({ orgId, layers: [], harnessId: row.id, named: [candidate], spare: [] });
  if (model.problem !== undefined) throw new PlatformError('provider_key_missing', 'The provider has no key that could be used.');
  const { provider_type, base_url, api_key, options } = model;
  return {
    provider_type,
    ...(base_url === undefined ? {} : { base_url }),
    ...(api_key === undefined ? {} : { api_key }),
    ...(options === undefined ? {} : { options }),
  };
}

type Listed = NonNullable<NonNullable<CatalogueOutcome['models']>[number]>;

/** What the list says of limits is kept where nothing else is known. */
function listedRow(row: ProviderSecrets, model: Listed, id: Uuid): ListedModelRow {
  const known = profileOf({ providerType: row.provider_type, model: model.id, baseUrl: row.base_url });
  const display_name = model.display_name ?? known?.name ?? model.id;
  return {
    id,
    model_id: model.id,
    display_name,
    profile: known === undefined && model.limits !== undefined ? { limits: model.limits } : null,
  };
}

type Failure = NonNullable<CatalogueOutcome['error']>;

const KEY_FAULTS: ReadonlySet<string> = new Set(['authentication', 'misconfigured', 'quota']);

function refusal({ kind, message }: Failure): PlatformError {
  if (KEY_FAULTS.has(kind)) return new PlatformError('provider_key_invalid', message);
  return new PlatformError('provider_unavailable', message, kind === 'rate_limited' ? { retryAfterSeconds: 30 } : {});
}

function checked({ models, error }: CatalogueOutcome): CheckedCredentials {
  if (error !== undefined) {
    const isKey = KEY_FAULTS.has(error.kind);
    return { valid: false, status: isKey ? 'invalid' : 'unreachable', message: error.message };
  }
  if (models == null) return { valid: false, status: 'not_supported', message: 'This kind of provider cannot be asked for its models.' };
  return { valid: true, status: 'valid', model_count: models.length };
}
