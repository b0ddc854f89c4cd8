import type { ModelProfile } from '@everruns/contract';

/**
 * What is known of the models that people use, as facts of their vendors. As of 2026-11-21.
 *
 * Sources: the vendors' model and pricing pages (developers.openai.com/api/docs/models and /pricing, openai.com/api-priority-processing,
 * platform.claude.com/docs/en/about-claude/pricing and /models, ai.google.dev/gemini-api/docs/pricing), models.dev where those are silent,
 * and the catalogues of the AI SDK's provider packages for tool search. Prices are US dollars per million tokens; flex is half of the
 * standard price at OpenAI. What was found nowhere is left out: a price that is not known is absent, never guessed.
 *
 * A model without `reasoning_effort` that reasons is steered by a budget of tokens: its driver turns any effort into one.
 */
export interface ProfileEntry {
  /** Provider type whose models these are. */
  vendor: 'openai' | 'anthropic' | 'google' | 'llmsim';
  /** Name at the provider, without a date. */
  model: string;
  profile: ModelProfile;
}

type Cost = NonNullable<ModelProfile['cost']>;
type Effort = NonNullable<ModelProfile['reasoning_effort']>;
type Speed = NonNullable<ModelProfile['speed']>;

const CHAT = {
  attachment: true,
  reasoning: true,
  structured_output: true,
  temperature: false,
  tool_call: true,
  open_weights: false,
} as const;
const DOCUMENTS: ModelProfile['modalities'] = { input: ['text', 'image', 'pdf'], output: ['text'] };
const EVERYTHING: ModelProfile['modalities'] = { input: ['text', 'image', 'audio', 'video', 'pdf'], output: ['text'] };
const VERBOSITY: ModelProfile['verbosity'] = { default: 'medium', values: ['low', 'medium', 'high'] };
const GEMINI_SPEED: Speed = { default: 'default', values: [{ value: 'flex' }, { value: 'default' }, { value: 'priority' }] };
const STANDARD_SPEED: Speed = { default: 'default', values: [{ value: 'default' }] };

const EFFORT_NAMES: Readonly<Record<Effort['default'], string>> = {
  none: 'None',
  minimal: 'Minimal',
  low: 'Low',
  medium: 'Medium',
  high: 'High',
  xhigh: 'Extra high',
};

function efforts(initial: Effort['default'], ...values: Effort['default'][]): Effort {
  return { default: initial, values: values.map((value) => ({ name: EFFORT_NAMES[value], value })) };
}

function tiers(flex: Cost, priority?: Cost): Speed {
  const values: Speed['values'] = [{ value: 'flex', cost: flex }, { value: 'default' }];
  return { default: 'default', values: priority === undefined ? values : [...values, { value: 'priority', cost: priority }] };
}

/** What differs from a chat model that reasons, reads images and calls tools. */
type Facts = Pick<ModelProfile, 'name' | 'family'> & Partial<ModelProfile>;

const OPENAI: Record<string, Facts> = {
  'gpt-5.5': {
    name: 'GPT-5.5',
    family: 'gpt',
    release_date: '2026-04-23',
    knowledge: '2025-12-01',
    cost: {
      input: 5,
      output: 30,
      cache_read: 0.5,
      cost_tiers: [{ above_tokens: 272_000, input: 10, output: 45, cache_read: 1 }],
    },
    limits: { context: 1_050_000, input: 922_000, output: 128_000 },
    modalities: DOCUMENTS,
    reasoning_effort: efforts('medium', 'none', 'low', 'medium', 'high', 'xhigh'),
    speed: tiers({ input: 2.5, output: 15, cache_read: 0.25 }, { input: 12.5, output: 75, cache_read: 1.25 }),
    verbosity: VERBOSITY,
    supports_phases: true,
    tool_search: true,
    tool_search_kind: 'openai',
  },
  'gpt-5.4': {
    name: 'GPT-5.4',
    family: 'gpt',
    release_date: '2026-03-05',
    knowledge: '2025-08-31',
    cost: {
      input: 2.5,
      output: 15,
      cache_read: 0.25,
      cost_tiers: [{ above_tokens: 272_000, input: 5, output: 22.5, cache_read: 0.5 }],
    },
    limits: { context: 1_050_000, input: 922_000, output: 128_000 },
    modalities: DOCUMENTS,
    reasoning_effort: efforts('none', 'none', 'low', 'medium', 'high', 'xhigh'),
    speed: tiers({ input: 1.25, output: 7.5, cache_read: 0.125 }, { input: 5, output: 30, cache_read: 0.5 }),
    verbosity: VERBOSITY,
    supports_phases: true,
    tool_search: true,
    tool_search_kind: 'openai',
  },
  'gpt-5.4-mini': {
    name: 'GPT-5.4 mini',
    family: 'gpt-mini',
    release_date: '2026-03-17',
    knowledge: '2025-08-31',
    cost: { input: 0.75, output: 4.5, cache_read: 0.075 },
    limits: { context: 400_000, input: 272_000, output: 128_000 },
    modalities: DOCUMENTS,
    reasoning_effort: efforts('none', 'none', 'low', 'medium', 'high', 'xhigh'),
    speed: tiers({ input: 0.375, output: 2.25, cache_read: 0.0375 }, { input: 1.5, output: 9, cache_read: 0.15 }),
    verbosity: VERBOSITY,
    supports_phases: true,
    tool_search: true,
    tool_search_kind: 'openai',
  },
  'gpt-5.4-nano': {
    name: 'GPT-5.4 nano',
    family: 'gpt-nano',
    release_date: '2026-03-17',
    knowledge: '2025-08-31',
    cost: { input: 0.2, output: 1.25, cache_read: 0.02 },
    limits: { context: 400_000, input: 272_000, output: 128_000 },
    modalities: { input: ['text', 'image'], output: ['text'] },
    reasoning_effort: efforts('none', 'none', 'low', 'medium', 'high', 'xhigh'),
    speed: tiers({ input: 0.1, output: 0.625, cache_read: 0.01 }),
    verbosity: VERBOSITY,
    supports_phases: true,
  },
  'gpt-5': {
    name: 'GPT-5',
    family: 'gpt',
    release_date: '2025-08-07',
    knowledge: '2024-09-30',
    cost: { input: 1.25, output: 10, cache_read: 0.125 },
    limits: { context: 400_000, input: 272_000, output: 128_000 },
    modalities: { input: ['text', 'image'], output: ['text'] },
    reasoning_effort: efforts('medium', 'minimal', 'low', 'medium', 'high'),
    speed: tiers({ input: 0.625, output: 5, cache_read: 0.0625 }, { input: 2.5, output: 20, cache_read: 0.25 }),
    verbosity: VERBOSITY,
  },
  'gpt-5-mini': {
    name: 'GPT-5 mini',
    family: 'gpt-mini',
    release_date: '2025-08-07',
    knowledge: '2024-05-31',
    cost: { input: 0.25, output: 2, cache_read: 0.025 },
    limits: { context: 400_000, input: 272_000, output: 128_000 },
    modalities: { input: ['text', 'image'], output: ['text'] },
    reasoning_effort: efforts('medium', 'minimal', 'low', 'medium', 'high'),
    speed: tiers({ input: 0.125, output: 1, cache_read: 0.0125 }, { input: 0.45, output: 3.6, cache_read: 0.045 }),
    verbosity: VERBOSITY,
  },
  'gpt-4.1': {
    name: 'GPT-4.1',
    family: 'gpt',
    reasoning: false,
    temperature: true,
    release_date: '2025-04-14',
    knowledge: '2024-05-31',
    cost: { input: 2, output: 8, cache_read: 0.5 },
    limits: { context: 1_047_576, output: 32_768 },
    modalities: DOCUMENTS,
    speed: {
      default: 'default',
      values: [{ value: 'default' }, { value: 'priority', cost: { input: 3.5, output: 14, cache_read: 0.875 } }],
    },
  },
  'gpt-4.1-mini': {
    name: 'GPT-4.1 mini',
    family: 'gpt-mini',
    reasoning: false,
    temperature: true,
    release_date: '2025-04-14',
    knowledge: '2024-05-31',
    cost: { input: 0.4, output: 1.6, cache_read: 0.1 },
    limits: { context: 1_047_576, output: 32_768 },
    modalities: DOCUMENTS,
    speed: STANDARD_SPEED,
  },
};

const CLAUDE_EFFORT = ['low', 'medium', 'high'] as const;
const CLAUDE = {
  modalities: DOCUMENTS,
  limits: { context: 1_000_000, output: 128_000 },
  speed: STANDARD_SPEED,
  tool_search: true,
  tool_search_kind: 'anthropic',
} as const satisfies Partial<ModelProfile>;

const ANTHROPIC: Record<string, Facts> = {
  'claude-opus-5-5': {
    ...CLAUDE,
    name: 'Claude Opus 5.5',
    family: 'claude-opus',
    knowledge: '2026-06',
    cost: { input: 4, output: 20, cache_read: 0.2, cache_write: 5 },
    reasoning_effort: efforts('medium', ...CLAUDE_EFFORT),
  },
  'claude-sonnet-5-5': {
    ...CLAUDE,
    name: 'Claude Sonnet 5.5',
    family: 'claude-sonnet',
    knowledge: '2026-06',
    cost: { input: 2, output: 10, cache_read: 0.1, cache_write: 2.5 },
    reasoning_effort: efforts('high', ...CLAUDE_EFFORT),
  },
  'claude-haiku-5-5': {
    ...CLAUDE,
    name: 'Claude Haiku 5.5',
    family: 'claude-haiku',
    knowledge: '2026-06',
    cost: {
      input: 0.1,
      output: 0.5,
      cache_read: 0.01,
      cache_write: 0.125,
      cost_tiers: [{ above_tokens: 100_000, input: 0.5, output: 2.5, cache_read: 0.05, cache_write: 0.625 }],
    },
    reasoning_effort: efforts('medium', ...CLAUDE_EFFORT),
  },
  'claude-sonnet-5': {
    ...CLAUDE,
    name: 'Claude Sonnet 5',
    family: 'claude-sonnet',
    release_date: '2026-06-30',
    knowledge: '2026-01',
    cost: { input: 2, output: 10, cache_read: 0.2, cache_write: 2.5 },
    reasoning_effort: efforts('high', ...CLAUDE_EFFORT),
  },
  'claude-opus-4-6': {
    ...CLAUDE,
    name: 'Claude Opus 4.6',
    family: 'claude-opus',
    temperature: true,
    release_date: '2026-02-05',
    knowledge: '2025-05',
    cost: { input: 5, output: 25, cache_read: 0.5, cache_write: 6.25 },
    reasoning_effort: efforts('high', ...CLAUDE_EFFORT),
    speed: { default: 'default', values: [{ value: 'default' }, { value: 'fast' }] },
  },
  'claude-sonnet-4-6': {
    ...CLAUDE,
    name: 'Claude Sonnet 4.6',
    family: 'claude-sonnet',
    temperature: true,
    release_date: '2026-02-17',
    knowledge: '2025-08',
    cost: { input: 3, output: 15, cache_read: 0.3, cache_write: 3.75 },
    reasoning_effort: efforts('high', ...CLAUDE_EFFORT),
  },
  'claude-opus-4-5': {
    ...CLAUDE,
    name: 'Claude Opus 4.5',
    family: 'claude-opus',
    temperature: true,
    release_date: '2025-11-24',
    cost: { input: 5, output: 25, cache_read: 0.5, cache_write: 6.25 },
    limits: { context: 200_000, output: 64_000 },
    reasoning_effort: efforts('high', ...CLAUDE_EFFORT),
  },
  'claude-sonnet-4-5': {
    ...CLAUDE,
    name: 'Claude Sonnet 4.5',
    family: 'claude-sonnet',
    temperature: true,
    release_date: '2025-09-29',
    knowledge: '2025-01',
    cost: { input: 3, output: 15, cache_read: 0.3, cache_write: 3.75 },
    limits: { context: 200_000, output: 64_000 },
  },
  'claude-haiku-4-5': {
    ...CLAUDE,
    name: 'Claude Haiku 4.5',
    family: 'claude-haiku',
    temperature: true,
    release_date: '2025-10-15',
    knowledge: '2025-02',
    cost: { input: 1, output: 5, cache_read: 0.1, cache_write: 1.25 },
    limits: { context: 200_000, output: 64_000 },
  },
};

const GEMINI = {
  temperature: true,
  modalities: EVERYTHING,
  limits: { context: 1_048_576, output: 65_536 },
  speed: GEMINI_SPEED,
} as const satisfies Partial<ModelProfile>;
const GEMINI_EFFORTS = ['minimal', 'low', 'medium', 'high'] as const;

const GOOGLE: Record<string, Facts> = {
  'gemini-3.5-flash': {
    ...GEMINI,
    name: 'Gemini 3.5 Flash',
    family: 'gemini-flash',
    release_date: '2026-05-19',
    knowledge: '2025-01',
    cost: { input: 1.5, output: 9, cache_read: 0.15 },
    reasoning_effort: efforts('medium', ...GEMINI_EFFORTS),
  },
  'gemini-3.5-flash-lite': { ...GEMINI, name: 'Gemini 3.5 Flash-Lite', family: 'gemini-flash-lite', release_date: '2026-07-21' },
  'gemini-2.5-pro': {
    ...GEMINI,
    name: 'Gemini 2.5 Pro',
    family: 'gemini-pro',
    release_date: '2025-03-20',
    last_updated: '2025-06-05',
    knowledge: '2025-01',
    cost: {
      input: 1.25,
      output: 10,
      cache_read: 0.125,
      cost_tiers: [{ above_tokens: 200_000, input: 2.5, output: 15, cache_read: 0.25 }],
    },
  },
  'gemini-2.5-flash': {
    ...GEMINI,
    name: 'Gemini 2.5 Flash',
    family: 'gemini-flash',
    knowledge: '2025-01',
    cost: { input: 0.3, output: 2.5, cache_read: 0.03 },
  },
};

/** Scripted models reason, call tools and read nothing but text; they cost nothing and say no price. */
const SIMULATED: Facts = {
  name: 'Simulated model',
  family: 'llmsim',
  attachment: false,
  structured_output: false,
  limits: { context: 200_000, output: 64_000 },
  modalities: { input: ['text'], output: ['text'] },
};
const LLMSIM: Record<string, Facts> = { 'llmsim-*': SIMULATED };

function entries(vendor: ProfileEntry['vendor'], models: Record<string, Facts>): ProfileEntry[] {
  return Object.entries(models).map(([model, facts]) => ({ vendor, model, profile: { ...CHAT, ...facts } }));
}

/** A name that ends with `*` stands for every name that begins so. */
export const MODEL_PROFILES: readonly ProfileEntry[] = [
  ...entries('openai', OPENAI),
  ...entries('anthropic', ANTHROPIC),
  ...entries('google', GOOGLE),
  ...entries('llmsim', LLMSIM),
];
