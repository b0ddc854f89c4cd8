import { z } from 'zod';
import { REASONING_EFFORTS, SPEEDS, VERBOSITIES } from '../messages.ts';
import { idParam, Links, publicId, ShortText, StringMap, Timestamp } from './common.ts';
import { QueryFlag } from './lists.ts';

export const PROVIDER_TYPES = ['openai', 'openai_completions', 'anthropic', 'google', 'llmsim'] as const;
export type ProviderType = (typeof PROVIDER_TYPES)[number];
export const PROVIDER_STATES = ['active', 'disabled'] as const;
export const MODEL_SOURCES = ['manual', 'discovered', 'predefined'] as const;
export const MODEL_VENDORS = [
  'openai',
  'anthropic',
  'google',
  'nvidia',
  'qwen',
  'microsoft',
  'minimax',
  'moonshot',
  'xai',
  'llmsim',
] as const;

/** The wire's names and the aliases that are accepted for them. */
const ALIASES: Readonly<Record<string, ProviderType>> = { gemini: 'google', openai_compatible: 'openai_completions' };

/** Drivers can be added by id, so any slug is a type; whether a driver has it is for the service to say. */
export const ProviderTypeParam = z
  .string()
  .min(1)
  .max(64)
  .regex(/^[a-z0-9_-]+$/, 'Expected lower-case letters, digits, _ or -.')
  .transform((type): string => ALIASES[type] ?? type);

export const BaseUrl = z
  .string()
  .max(2_048)
  .refine((text) => isHttpUrl(text), 'Expected an http or https URL without user, query or fragment.')
  .transform((text) => text.replace(/\/+$/, ''));

const ApiKey = z
  .string()
  .min(1)
  .max(8_192)
  .regex(/^[\x21-\x7e]+$/, 'Expected printable ASCII without blanks.');

export const Trace = z.object({
  enabled: z.boolean(),
  session_url_template: z.string().optional(),
  generation_url_template: z.string().optional(),
});

const Dollars = z.number().min(0).max(1_000_000);

/** Driver settings of the provider row, e.g. `{"background": true}`. */
const Options = z.record(z.string(), z.unknown());

const shared = {
  api_key: ApiKey.nullish(),
  base_url: BaseUrl.nullish(),
  credentials: StringMap.nullish(),
  trace: Trace.nullish(),
  options: Options.nullish(),
};

export const CreateProvider = z
  .object({ name: ShortText.min(1), provider_type: ProviderTypeParam, ...shared })
  .meta({ id: 'CreateProvider' });
export type CreateProvider = z.infer<typeof CreateProvider>;

export const UpdateProvider = z
  .object({
    name: ShortText.min(1).optional(),
    provider_type: ProviderTypeParam.optional(),
    ...shared,
    status: z.enum(PROVIDER_STATES).optional(),
  })
  .meta({ id: 'UpdateProvider' });
export type UpdateProvider = z.infer<typeof UpdateProvider>;

export const Provider = z
  .object({
    id: publicId('provider'),
    name: z.string(),
    provider_type: z.string(),
    status: z.enum(PROVIDER_STATES),
    api_key_set: z.boolean(),
    base_url: z.string().optional(),
    trace: Trace.optional(),
    options: Options.optional(),
    last_synced_at: Timestamp.optional(),
    created_at: Timestamp,
    updated_at: Timestamp,
    ...Links,
  })
  .meta({ id: 'Provider' });
export type Provider = z.infer<typeof Provider>;

/** US dollars per million tokens. `cache_write` is for what a call puts into the provider's cache. */
const price = { input: Dollars, output: Dollars, cache_read: Dollars.optional(), cache_write: Dollars.optional() };
const Tokens = z.int().min(1).max(1_000_000_000);
const Modality = z.enum(['text', 'image', 'audio', 'video', 'pdf']);
const Fact = z.string().max(256);

export const ModelProfile = z
  .object({
    name: Fact,
    family: Fact,
    attachment: z.boolean(),
    reasoning: z.boolean(),
    structured_output: z.boolean(),
    temperature: z.boolean(),
    tool_call: z.boolean(),
    open_weights: z.boolean(),
    description: z.string().max(4_096).optional(),
    knowledge: Fact.optional(),
    release_date: Fact.optional(),
    last_updated: Fact.optional(),
    supported_parameters: z.array(Fact).max(128).optional(),
    supports_phases: z.boolean().optional(),
    tool_search: z.boolean().optional(),
    tool_search_kind: z.enum(['openai', 'anthropic']).optional().describe('Whose search over deferred tools the model has'),
    cost: z
      .object({
        ...price,
        cost_tiers: z
          .array(z.object({ above_tokens: Tokens, ...price }))
          .max(8)
          .optional()
          .describe('Prices of a call whose input is longer'),
      })
      .optional(),
    limits: z.object({ context: Tokens, output: Tokens, input: Tokens.optional(), max_media: z.int().min(0).optional() }).optional(),
    modalities: z.object({ input: z.array(Modality).max(8), output: z.array(Modality).max(8) }).optional(),
    reasoning_effort: z
      .object({
        default: z.enum(REASONING_EFFORTS),
        values: z.array(z.object({ name: Fact, value: z.enum(REASONING_EFFORTS) })).max(16),
      })
      .optional(),
    speed: z
      .object({
        default: z.enum(SPEEDS),
        values: z.array(z.object({ value: z.enum(SPEEDS), cost: z.object(price).optional() })).max(8),
      })
      .optional(),
    verbosity: z.object({ default: z.enum(VERBOSITIES), values: z.array(z.enum(VERBOSITIES)).max(8) }).optional(),
  })
  .meta({ id: 'ModelProfile' });
export type ModelProfile = z.infer<typeof ModelProfile>;

/** What an organization knows better than the built-in profile, field by field. */
export const ModelProfileOverride = ModelProfile.partial().strict().meta({ id: 'ModelProfileOverride' });
export type ModelProfileOverride = z.infer<typeof ModelProfileOverride>;

export const CreateModel = z
  .object({
    model_id: z.string().min(1).max(256),
    display_name: ShortText.min(1),
    capabilities: z.array(z.string().min(1).max(64)).max(64).optional(),
    enabled: z.boolean().optional(),
    is_favorite: z.boolean().optional(),
    profile: ModelProfileOverride.nullish(),
    fallback_model_id: idParam('model').nullish().describe('Taken while the circuit of the provider is open'),
  })
  .meta({ id: 'CreateModel' });
export type CreateModel = z.infer<typeof CreateModel>;

export const UpdateModel = CreateModel.partial()
  .extend({ provider_id: idParam('provider').optional() })
  .meta({ id: 'UpdateModel' });
export type UpdateModel = z.infer<typeof UpdateModel>;

const model = {
  id: publicId('model'),
  provider_id: publicId('provider'),
  model_id: z.string().describe('Name at the provider'),
  display_name: z.string(),
  capabilities: z.array(z.string()),
  enabled: z.boolean(),
  is_favorite: z.boolean(),
  source: z.enum(MODEL_SOURCES),
  stale: z.boolean().optional().describe('True when the last synchronisation did not find it at the provider'),
  last_seen_at: Timestamp.optional(),
  fallback_model_id: publicId('model').optional().describe('Taken while the circuit of the provider is open'),
  profile_overrides: ModelProfileOverride.optional(),
  created_at: Timestamp,
  updated_at: Timestamp,
};

export const Model = z.object({ ...model, ...Links }).meta({ id: 'Model' });
export type Model = z.infer<typeof Model>;

export const ModelWithProvider = z
  .object({
    ...model,
    provider_name: z.string(),
    provider_type: z.string(),
    healthy: z.boolean(),
    model_vendor: z.enum(MODEL_VENDORS).optional(),
    profile: ModelProfile.optional(),
    ...Links,
  })
  .meta({ id: 'ModelWithProvider' });
export type ModelWithProvider = z.infer<typeof ModelWithProvider>;

export const ModelsQuery = z.object({
  source: z.enum(MODEL_SOURCES).optional(),
  include_stale: QueryFlag,
  favorites_only: QueryFlag,
});
export type ModelsQuery = z.infer<typeof ModelsQuery>;

export const SyncResult = z
  .object({
    status: z.enum(['success', 'not_supported']),
    created: z.int().optional(),
    updated: z.int().optional(),
    stale: z.int().optional(),
  })
  .meta({ id: 'SyncResult' });
export type SyncResult = z.infer<typeof SyncResult>;

export const CheckCredentials = z
  .object({
    provider_type: ProviderTypeParam,
    api_key: ApiKey.nullish(),
    base_url: BaseUrl.nullish(),
    credentials: StringMap.nullish(),
    options: Options.nullish(),
  })
  .meta({ id: 'CheckCredentials' });
export type CheckCredentials = z.infer<typeof CheckCredentials>;

export const CheckedCredentials = z
  .object({
    valid: z.boolean(),
    status: z.enum(['valid', 'invalid', 'unreachable', 'not_supported']),
    model_count: z.int().optional(),
    message: z.string().optional(),
  })
  .meta({ id: 'CheckedCredentials' });
export type CheckedCredentials = z.infer<typeof CheckedCredentials>;

export const DriverInfo = z.object({
  driver: z.string(),
  supports_oauth: z.boolean(),
  credential_schema: z.object({
    instructions_markdown: z.string(),
    fields: z.array(
      z.object({
        name: z.string(),
        label: z.string(),
        field_type: z.enum(['password', 'text', 'url']),
        required: z.boolean(),
        default_value: z.string().optional(),
        placeholder: z.string().optional(),
        help_text: z.string().optional(),
        group: z.string().optional(),
      }),
    ),
  }),
});
export type DriverInfo = z.infer<typeof DriverInfo>;

function isHttpUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  const plain = url.username === '' && url.password === '' && url.search === '' && url.hash === '';
  return (url.protocol === 'http:' || url.protocol === 'https:') && plain;
}
