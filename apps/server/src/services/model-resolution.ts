import { effectiveProfile, type ModelIdentity } from '@everruns/agent/profiles/lookup';
import { DEFAULT_ORG_ID } from '@everruns/contract';
import type { ModelProfileOverride, ModelProfile, ResolvedModel, Uuid } from '@everruns/contract';
import type { ModelCandidate, TurnConfig, Vault } from '@everruns/storage';

export type Grade = 'dev' | 'poc' | 'preview' | 'prod';

/** Provider types that a `DEFAULT_*_API_KEY` stands for. */
export type FallbackKeys = Readonly<Partial<Record<'openai' | 'anthropic' | 'google', string>>>;

export interface ResolutionPolicy {
  grade: Grade;
  fallbackKeys: FallbackKeys;
}

/** Where the key of a call comes from. */
export type KeySource = 'stored' | 'fallback' | 'none' | 'not_needed';

export type Resolution =
  | { kind: 'row'; candidate: ModelCandidate; key: KeySource }
  | { kind: 'simulated' }
  | { kind: 'nothing'; problem: 'provider_misconfigured' | 'model_unavailable' | 'dependency_unavailable' };

/** The name under which the simulated model answers when nothing else is configured and no row names it. */
export const SIMULATED_MODEL = 'llmsim-default';

/**
 * Chooses the model of a step. Order: message control, session, agent, harness (leaf to root), organization default; a level that names
 * a model which is gone is skipped. Without any: the first model of the first provider that has a key; in grade dev without any key the
 * simulated model. A chosen model whose key is missing is a problem, never a silent switch to another provider. With no model at all the
 * step fails with `model_unavailable`: no model is configured.
 */
export function resolveModel(config: Pick<TurnConfig, 'orgId' | 'named' | 'spare' | 'problem'>, policy: ResolutionPolicy): Resolution {
  if (config.problem !== undefined) return { kind: 'nothing', problem: config.problem };
  const keyOf = (candidate: ModelCandidate): KeySource => keySource(candidate, config.orgId, policy);
  const [chosen] = config.named;
  if (chosen !== undefined) return { kind: 'row', candidate: chosen, key: keyOf(chosen) };
  const real = config.spare.filter((candidate) => candidate.providerType !== 'llmsim');
  const keyed = real.find((candidate) => keyOf(candidate) !== 'none');
  if (keyed !== undefined) return { kind: 'row', candidate: keyed, key: keyOf(keyed) };
  if (policy.grade === 'dev') {
    const simulated = config.spare.find((candidate) => candidate.providerType === 'llmsim');
    return simulated === undefined ? { kind: 'simulated' } : { kind: 'row', candidate: simulated, key: 'not_needed' };
  }
  const [keyless] = real;
  return keyless === undefined ? { kind: 'nothing', problem: 'model_unavailable' } : { kind: 'row', candidate: keyless, key: 'none' };
}

/**
 * A stored key wins. The installation's fallback key is for the default organization, or for any in grade dev, and outside dev it only
 * travels to the vendor's own address: a row's `base_url` must not be a way to read it.
 */
export function keySource(
  candidate: Pick<ModelCandidate, 'providerType' | 'baseUrl' | 'apiKeyEncrypted'>,
  orgId: Uuid,
  policy: ResolutionPolicy,
): KeySource {
  if (candidate.providerType === 'llmsim') return 'not_needed';
  if (candidate.apiKeyEncrypted !== null) return 'stored';
  const ownHost = candidate.baseUrl === null;
  if (candidate.providerType === 'openai_completions' && !ownHost) return 'not_needed';
  const allowed = policy.grade === 'dev' || (orgId === DEFAULT_ORG_ID && ownHost);
  return allowed && fallbackKey(candidate.providerType, policy.fallbackKeys) !== undefined ? 'fallback' : 'none';
}

function fallbackKey(providerType: string, keys: FallbackKeys): string | undefined {
  if (providerType === 'openai' || providerType === 'openai_completions') return keys.openai;
  if (providerType === 'anthropic') return keys.anthropic;
  return providerType === 'google' ? keys.google : undefined;
}

export interface ModelResolver {
  /** The model of a step with its key in clear. Never throws for a configuration that cannot work: it says so in `problem`. */
  resolve(config: TurnConfig): Promise<ResolvedModel>;
}

export interface ModelResolverDeps {
  config: ResolutionPolicy;
  secrets: Vault;
  /** Called with the reason when a stored key does not open; the turn tells the user only that the provider is misconfigured. */
  onUnreadableKey?: (providerId: Uuid, error: unknown) => void;
}

export function createModelResolver({ config: policy, secrets, onUnreadableKey }: ModelResolverDeps): ModelResolver {
  const opened = async (candidate: ModelCandidate, key: KeySource, orgId: Uuid): Promise<ResolvedModel> => {
    const model = describe(candidate);
    if (key === 'none') return { ...model, problem: 'provider_misconfigured' };
    if (key === 'fallback') return withKey(model, fallbackKey(candidate.providerType, policy.fallbackKeys));
    try {
      return await withStoredSecrets({ model, candidate, orgId, secrets });
    } catch (error) {
      onUnreadableKey?.(candidate.providerId, error);
      return { ...model, problem: 'provider_misconfigured' };
    }
  };
  /** Only one that could be called now, at another provider: the circuit is the provider's. */
  const fallbackOf = async (chosen: ModelCandidate, orgId: Uuid): Promise<{ fallback?: ResolvedModel }> => {
    const candidate = chosen.fallback ?? null;
    if (candidate === null || candidate.providerId === chosen.providerId) return {};
    const model = await opened(candidate, keySource(candidate, orgId, policy), orgId);
    const { modelId: model_id, providerId: provider_id, providerType: provider_type, model: name } = chosen;
    return model.problem === undefined
      ? { fallback: { ...model, fallback_for: { model_id, provider_id, provider_type, model: name } } }
      : {};
  };
  return {
    async resolve(config) {
      const resolution = resolveModel(config, policy);
      if (resolution.kind === 'simulated')
        return { provider_type: 'llmsim', model: SIMULATED_MODEL, ...profileIn({ providerType: 'llmsim', model: SIMULATED_MODEL }) };
      if (resolution.kind === 'nothing') return { provider_type: 'none', model: 'none', problem: resolution.problem };
      const { candidate, key } = resolution;
      const model = await opened(candidate, key, config.orgId);
      return model.problem === undefined ? { ...model, ...(await fallbackOf(candidate, config.orgId)) } : model;
    },
  };
}

function profileIn(identity: ModelIdentity, override: ModelProfileOverride | null = null): { profile?: ModelProfile } {
  const profile = effectiveProfile(identity, override);
  return profile === undefined ? {} : { profile };
}

function describe(candidate: ModelCandidate): ResolvedModel {
  return {
    model_id: candidate.modelId,
    provider_id: candidate.providerId,
    provider_type: candidate.providerType,
    model: candidate.model,
    ...(candidate.baseUrl === null ? {} : { base_url: candidate.baseUrl }),
    ...(candidate.options === null ? {} : { options: candidate.options }),
    ...profileIn(candidate, candidate.profile),
  };
}

function withKey(model: ResolvedModel, apiKey: string | undefined): ResolvedModel {
  return apiKey === undefined ? model : { ...model, api_key: apiKey };
}

interface StoredSecrets {
  model: ResolvedModel;
  candidate: ModelCandidate;
  orgId: Uuid;
  secrets: Vault;
}

async function withStoredSecrets({ model, candidate, orgId, secrets }: StoredSecrets): Promise<ResolvedModel> {
  const place = (column: string) => ({ table: 'providers', column, rowId: candidate.providerId, orgId });
  const apiKey = candidate.apiKeyEncrypted === null ? undefined : await secrets.open(place('api_key_encrypted'), candidate.apiKeyEncrypted);
  if (candidate.credentialsEncrypted === null) return withKey(model, apiKey);
  const text = await secrets.open(place('credentials_encrypted'), candidate.credentialsEncrypted);
  const credentials: unknown = JSON.parse(text);
  return withKey({ ...model, options: { ...model.options, credentials } }, apiKey);
}
