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

/** Parents before children. `generic` says nothing that `base` does not say already, so its own prompt is empty. */
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
    capabilities: [{ ref: 'current_time' }, { ref: 'stateless_todo_list' }],
    tags: ['built-in'],
  },
];
