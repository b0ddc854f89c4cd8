import type { ProviderType } from '@everruns/contract';

export interface SeededProvider {
  key: string;
  name: string;
  type: ProviderType;
  models: { name: string; displayName: string; capabilities: string[] }[];
}

const CHAT = ['chat', 'tools', 'vision'];

/**
 * The models that a fresh organization starts with: enough to run, the first of each provider is the one taken when nothing is chosen.
 * More are added by hand or by synchronisation. Names as the AI SDK provider packages openai 4.0.118, anthropic 4.0.105 and google 4.0.121
 * type them, 2026-11-21.
 */
export const SEEDED_PROVIDERS: readonly SeededProvider[] = [
  {
    key: 'openai',
    name: 'OpenAI',
    type: 'openai',
    models: [
      { name: 'gpt-5.4-mini', displayName: 'GPT-5.4 mini', capabilities: [...CHAT, 'reasoning'] },
      { name: 'gpt-5.4', displayName: 'GPT-5.4', capabilities: [...CHAT, 'reasoning'] },
      { name: 'gpt-5.4-nano', displayName: 'GPT-5.4 nano', capabilities: [...CHAT, 'reasoning'] },
      { name: 'gpt-5.5', displayName: 'GPT-5.5', capabilities: [...CHAT, 'reasoning'] },
      { name: 'gpt-4.1-mini', displayName: 'GPT-4.1 mini', capabilities: CHAT },
    ],
  },
  {
    key: 'anthropic',
    name: 'Anthropic',
    type: 'anthropic',
    models: [
      { name: 'claude-sonnet-4-6', displayName: 'Claude Sonnet 4.6', capabilities: [...CHAT, 'reasoning'] },
      { name: 'claude-opus-4-6', displayName: 'Claude Opus 4.6', capabilities: [...CHAT, 'reasoning'] },
      { name: 'claude-haiku-4-5', displayName: 'Claude Haiku 4.5', capabilities: [...CHAT, 'reasoning'] },
      { name: 'claude-sonnet-5', displayName: 'Claude Sonnet 5', capabilities: [...CHAT, 'reasoning'] },
    ],
  },
  {
    key: 'google',
    name: 'Google Gemini',
    type: 'google',
    models: [
      { name: 'gemini-3.5-flash', displayName: 'Gemini 3.5 Flash', capabilities: [...CHAT, 'reasoning'] },
      { name: 'gemini-3.5-flash-lite', displayName: 'Gemini 3.5 Flash-Lite', capabilities: [...CHAT, 'reasoning'] },
      { name: 'gemini-2.5-pro', displayName: 'Gemini 2.5 Pro', capabilities: [...CHAT, 'reasoning'] },
    ],
  },
];

/** Simulated models, seeded in grade dev only. */
export const SIMULATED_PROVIDER: SeededProvider = {
  key: 'llmsim',
  name: 'LlmSim',
  type: 'llmsim',
  models: [
    { name: 'llmsim-default', displayName: 'Simulated model', capabilities: ['chat', 'tools'] },
    { name: 'llmsim-latency', displayName: 'Simulated model with realistic latency', capabilities: ['chat', 'tools'] },
  ],
};
