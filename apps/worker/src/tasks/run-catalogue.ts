import { type Json, ModelError, type ModelRegistry } from '@everruns/agent/model';
import type { CatalogueInput, CatalogueOutcome } from '@everruns/contract';

const MAX_MESSAGE_CHARS = 1_000;

/** Asks a provider for its models. What it refuses is an outcome: somebody waits for it, and asking again is theirs to decide. */
export async function runCatalogue({ provider }: CatalogueInput, models: ModelRegistry, signal: AbortSignal): Promise<CatalogueOutcome> {
  const { provider_type, base_url, api_key, options } = provider;
  const endpoint = {
    providerType: provider_type,
    ...(base_url !== undefined && { baseUrl: base_url }),
    ...(api_key !== undefined && { apiKey: api_key }),
    ...(options !== undefined && { options: options as Record<string, Json> }),
  };
  try {
    const listed = (await models.list?.(endpoint, signal)) ?? null;
    if (listed === null) return { kind: 'catalogue', models: null };
    return {
      kind: 'catalogue',
      models: listed.map(({ id, displayName, limits }) => ({
        id,
        ...(displayName !== undefined && { display_name: displayName }),
        ...(limits !== undefined && { limits }),
      })),
    };
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof ModelError)) throw error;
    return { kind: 'catalogue', error: { kind: error.kind, message: error.message.slice(0, MAX_MESSAGE_CHARS) } };
  }
}
