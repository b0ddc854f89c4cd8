import type { CapabilityRef } from '@everruns/contract';

export const BASE_HARNESS = 'base';
export const GENERIC_HARNESS = 'generic';

export interface BuiltInDefinition {
  name: string;
  displayName: string;
  description: string;
  systemPrompt: string;
  parent: string | null;
  capabilities: CapabilityRef[];
  tags: string[];
}

const NEUTRAL_PROMPT =
  'You are a helpful assistant. Work on what the user asks for, and say plainly what you did and what you could not do.';

/**
 * Parents before children. `generic` names all that a general agent works with; what this version does not have yet contributes nothing. It
 * says nothing that `base` does not say already, so its own prompt is empty.
 */
export const BUILT_IN_HARNESSES: readonly BuiltInDefinition[] = [
  {
    name: BASE_HARNESS,
    displayName: 'Base',
    description: 'The smallest harness: a neutral prompt and no capability. Build your own on it.',
    systemPrompt: NEUTRAL_PROMPT,
    parent: null,
    capabilities: [],
    tags: ['built-in'],
  },
  {
    name: GENERIC_HARNESS,
    displayName: 'Generic',
    description: 'The general-purpose harness that new sessions run on unless another one is chosen.',
    systemPrompt: '',
    parent: BASE_HARNESS,
    capabilities: [
      { ref: 'human_intent' },
      { ref: 'session_file_system' },
      { ref: 'bashkit_shell' },
      { ref: 'web_fetch', config: { enable_file_download: true } },
      { ref: 'session_storage' },
      { ref: 'session' },
      { ref: 'session_schedule' },
      { ref: 'btw' },
      { ref: 'agent_instructions' },
      { ref: 'skills' },
      { ref: 'infinity_context' },
      { ref: 'auto_tool_search' },
      { ref: 'budgeting' },
      { ref: 'self_budget' },
      { ref: 'loop_detection' },
      { ref: 'parallel_tool_calls', config: { mode: 'prefer' } },
      { ref: 'error_disclosure', config: { mode: 'detailed' } },
      { ref: 'message_metadata' },
      { ref: 'compaction', config: { strategy: 'auto', proactive: true, budget_percent: 0.85 } },
      { ref: 'tool_output_persistence' },
      { ref: 'tool_output_distillation' },
      { ref: 'citation_retrieval' },
      { ref: 'citation_verification' },
      { ref: 'soft_approval' },
      { ref: 'ask_user' },
    ],
    tags: ['built-in'],
  },
];
