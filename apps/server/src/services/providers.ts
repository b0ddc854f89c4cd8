import { PlatformError } from '@everruns/contract';
import type { CreateProvider, DriverInfo, IdSource, Provider, UpdateProvider, Uuid } from '@everruns/contract';
import { deleteProvider, findProvider, insertProvider, listProviders, updateProvider } from '@everruns/storage';
import type { Database, ProviderFields, SealedSecret, Vault } from '@everruns/storage';
import type { Linker } from './links.ts';
import { presentProvider } from './present/provider.ts';
import type { CallerScope } from './scope.ts';

export interface ProviderServiceDeps {
  db: Database;
  ids: IdSource;
  link: Linker;
  vault: Vault;
  /** Provider types that a driver exists for; null accepts any, when drivers are only known to the workers. */
  providerTypes: readonly string[] | null;
}

export interface ProviderService {
  list(scope: CallerScope): Promise<Provider[]>;
  get(scope: CallerScope, id: Uuid): Promise<Provider>;
  create(scope: CallerScope, request: CreateProvider): Promise<Provider>;
  update(scope: CallerScope, id: Uuid, request: UpdateProvider): Promise<Provider>;
  remove(scope: CallerScope, id: Uuid): Promise<void>;
  /** Throws `not_found` unless the provider is there. */
  require(scope: CallerScope, id: Uuid): Promise<void>;
}

export function createProviderService(deps: ProviderServiceDeps): ProviderService {
  const { db, link } = deps;
  const require = async (scope: CallerScope, id: Uuid): Promise<void> => {
    if ((await findProvider(db, scope.orgId, id)) === null) throw notFound();
  };
  const checkType = (type: string | undefined): void => {
    if (type === undefined || deps.providerTypes === null || deps.providerTypes.includes(type)) return;
    const known = deps.providerTypes.join(', ');
    throw new PlatformError('invalid_request', `There is no provider type "${type}". Known are: ${known}.`, { field: 'provider_type' });
  };
  return {
    require,
    async list(scope) {
      return (await listProviders(db, scope.orgId)).map((row) => presentProvider(row, link));
    },
    async get(scope, id) {
      const row = await findProvider(db, scope.orgId, id);
      if (row === null) throw notFound();
      return presentProvider(row, link);
    },
    async create(scope, request) {
      checkType(request.provider_type);
      const id = deps.ids.next();
      const fields: ProviderFields = {
        name: request.name,
        provider_type: request.provider_type,
        base_url: request.base_url ?? null,
        api_key_encrypted: null,
        credentials_encrypted: null,
        trace: request.trace ?? null,
        options: request.options ?? null,
        status: 'active',
        ...(await sealedSecrets(deps.vault, { orgId: scope.orgId, id }, request)),
      };
      const row = await insertProvider(db, { id, orgId: scope.orgId, fields });
      if (row === 'taken') throw nameTaken(request.name);
      return presentProvider(row, link);
    },
    async update(scope, id, request) {
      checkType(request.provider_type);
      await require(scope, id);
      const { api_key: _key, credentials: _credentials, ...rest } = request;
      const secrets = await sealedSecrets(deps.vault, { orgId: scope.orgId, id }, request);
      const row = await updateProvider(db, scope.orgId, id, { ...(rest as Partial<ProviderFields>), ...secrets });
      if (row === 'taken') throw nameTaken(request.name ?? '');
      if (row === null) throw notFound();
      return presentProvider(row, link);
    },
    async remove(scope, id) {
      if (!(await deleteProvider(db, scope.orgId, id))) throw notFound();
    },
  };
}

interface SecretRequest {
  api_key?: string | null | undefined;
  credentials?: Record<string, string> | null | undefined;
}

type SecretFields = { api_key_encrypted?: SealedSecret | null; credentials_encrypted?: SealedSecret | null };

/** Null clears, absent leaves alone. The credential field `api_key` is the key itself; the others are kept together. */
async function sealedSecrets(vault: Vault, row: { orgId: Uuid; id: Uuid }, request: SecretRequest): Promise<SecretFields> {
  const { api_key: fromCredentials, ...others } = request.credentials ?? {};
  const apiKey = request.api_key === undefined ? fromCredentials : request.api_key;
  const place = (column: string) => ({ table: 'providers', column, rowId: row.id, orgId: row.orgId });
  const result: SecretFields = {};
  if (apiKey !== undefined) result.api_key_encrypted = apiKey === null ? null : await vault.seal(place('api_key_encrypted'), apiKey);
  if (request.credentials === null) result.credentials_encrypted = null;
  else if (Object.keys(others).length > 0) {
    result.credentials_encrypted = await vault.seal(place('credentials_encrypted'), JSON.stringify(others));
  }
  return result;
}

/** What a form for a provider of each type asks for. */
export function driverInfos(providerTypes: readonly string[]): DriverInfo[] {
  return providerTypes.map((driver) => ({
    driver,
    supports_oauth: false,
    credential_schema: {
      instructions_markdown: INSTRUCTIONS[driver] ?? 'Credentials of this driver.',
      fields:
        driver === 'llmsim'
          ? []
          : [
              {
                name: 'api_key',
                label: 'API key',
                field_type: 'password',
                required: driver !== 'openai_completions',
                placeholder: KEY_SHAPES[driver] ?? '',
              },
            ],
    },
  }));
}

const INSTRUCTIONS: Readonly<Record<string, string>> = {
  openai: 'Create a key at platform.openai.com under API keys.',
  openai_completions: 'The key of the service behind `base_url`, if it wants one.',
  anthropic: 'Create a key at console.anthropic.com under API keys.',
  google: 'Create a key at aistudio.google.com under API keys.',
  llmsim: 'Simulated models need no key.',
};
const KEY_SHAPES: Readonly<Record<string, string>> = { openai: 'sk-...', anthropic: 'sk-ant-...', google: 'AIza...' };

function notFound(): PlatformError {
  return new PlatformError('not_found', 'There is no such provider.');
}

function nameTaken(name: string): PlatformError {
  return new PlatformError('name_taken', `There is a provider named "${name}" already.`, { field: 'name' });
}
