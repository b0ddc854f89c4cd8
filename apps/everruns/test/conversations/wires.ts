import type { ChatWire } from './received.ts';

/** The wire protocols that the product speaks, as a person would configure them. */
export interface Wire {
  name: string;
  providerType: string;
  protocol: ChatWire;
  model: string;
  /** The vendor's own address is served by the simulator, so the provider has no `base_url`. */
  isOfficial?: boolean;
  /** Thinking is visible on it. */
  thinks: boolean;
  /** Thinking comes with opaque state that must be sent back for ever; otherwise its text only within the turn. */
  signs: boolean;
}

export const WIRES: readonly Wire[] = [
  { name: 'OpenAI Responses', providerType: 'openai', protocol: 'responses', model: 'gpt-5.4-mini', thinks: true, signs: true },
  {
    name: 'OpenAI Chat Completions',
    providerType: 'openai_completions',
    protocol: 'chat',
    model: 'gpt-4.1-mini',
    isOfficial: true,
    thinks: false,
    signs: false,
  },
  { name: 'a compatible base_url', providerType: 'openai_compatible', protocol: 'chat', model: 'local-model', thinks: true, signs: false },
  { name: 'Anthropic', providerType: 'anthropic', protocol: 'anthropic', model: 'claude-sonnet-4-6', thinks: true, signs: true },
  { name: 'Gemini', providerType: 'gemini', protocol: 'google', model: 'gemini-3.5-flash', thinks: true, signs: true },
];

export const OPENAI_ADDRESS = 'https://api.openai.com';
