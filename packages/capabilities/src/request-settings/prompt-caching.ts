import type { Capability } from '@everruns/agent/capability';
import { infoOf, schemaRefusal } from '../config.ts';

const CACHED_CONTENT = /^cachedContents\/[\w-]{1,128}$/;

const CONFIG_SCHEMA = {
  type: 'object',
  additionalProperties: false,
  properties: {
    strategy: {
      type: 'string',
      enum: ['auto', 'explicit'],
      description:
        'auto (default): the provider decides what it keeps; explicit: the end of the stable part is marked, where there is a mark.',
    },
    gemini_cached_content: { type: 'string', description: 'Content cached at Gemini beforehand, such as "cachedContents/abc".' },
  },
};

/** Asks providers to keep the stable beginning of the prompt. */
export const promptCaching: Capability = {
  info: infoOf({
    id: 'prompt_caching',
    name: 'Prompt Caching',
    description: 'Has the model provider keep the beginning of the prompt, which makes long conversations cheaper and faster.',
    category: 'Optimization',
    icon: 'database',
    config_schema: CONFIG_SCHEMA,
  }),
  checkConfig(config) {
    const name = config.gemini_cached_content;
    if (typeof name === 'string' && !CACHED_CONTENT.test(name)) {
      return 'The configuration is not valid: "gemini_cached_content" must be a name such as "cachedContents/abc".';
    }
    return schemaRefusal(CONFIG_SCHEMA, config);
  },
  resolve: ({ strategy, gemini_cached_content: content }) => ({
    tools: [],
    request: {
      prompt_cache: {
        strategy: strategy === 'explicit' ? 'explicit' : 'auto',
        ...(typeof content === 'string' && CACHED_CONTENT.test(content) && { geminiCachedContent: content }),
      },
    },
  }),
};
