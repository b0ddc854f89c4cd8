import type { Capability } from '@everruns/agent/capability';
import { infoOf, schemaRefusal } from '../config.ts';

const MODES = ['prefer', 'avoid', 'none'];

const CONFIG_SCHEMA = {
  type: 'object',
  additionalProperties: false,
  properties: {
    mode: {
      type: 'string',
      enum: MODES,
      description: 'prefer (default): several calls in one answer; avoid: one call at a time; none: what the provider does by itself.',
    },
  },
};

/** Says whether an answer may have several tool calls. A `parallel_tool_calls` field of agent or session wins. */
export const parallelToolCalls: Capability = {
  info: infoOf({
    id: 'parallel_tool_calls',
    name: 'Parallel Tool Calls',
    description: 'Lets the model make several tool calls at once, or only one at a time.',
    category: 'Optimization',
    icon: 'git-branch',
    config_schema: CONFIG_SCHEMA,
  }),
  checkConfig: (config) => schemaRefusal(CONFIG_SCHEMA, config),
  resolve: ({ mode = 'prefer' }) => ({
    tools: [],
    request: mode === 'prefer' || mode === 'avoid' ? { parallel_tool_calls: mode === 'prefer' } : {},
  }),
};
