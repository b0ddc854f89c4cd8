import type { Capability } from '@everruns/agent/capability';
import { infoOf, schemaRefusal } from '../config.ts';
import { normalised } from './checks.ts';
import { seekingWatch } from './output-watch.ts';

/** A shorter sentence could be anybody's. */
const MIN_NEEDLE_CHARS = 30;
const PROMPT_BLOCK = /<system-prompt[^>]*>\n([\s\S]*?)\n<\/system-prompt>/g;
const REPLACEMENT = "I can't share my instructions.";

const CONFIG_SCHEMA = {
  type: 'object',
  additionalProperties: false,
  properties: { replacement: { type: 'string', description: 'Stands in the place of the answer.' } },
};

/** Withdraws an answer that recites the system prompt. */
export const promptCanaryGuardrail: Capability = {
  info: infoOf({
    id: 'prompt_canary_guardrail',
    name: 'Prompt Canary',
    description: 'Withdraws answers that give away the system prompt.',
    category: 'Safety',
    icon: 'shield',
    config_schema: CONFIG_SCHEMA,
  }),
  checkConfig: (config) => schemaRefusal(CONFIG_SCHEMA, config),
  resolve: ({ replacement }) => ({
    tools: [],
    hooks: {
      watchOutput({ systemPrompt }) {
        const needle = needleOf(systemPrompt);
        if (needle === null) return null;
        const text = typeof replacement === 'string' && replacement.trim() !== '' ? replacement : REPLACEMENT;
        const verdict = { guardrail_id: 'prompt_canary', reason_code: 'guardrail.prompt_canary', replacement: text };
        return seekingWatch([{ matches: (answer) => normalised(answer).includes(needle), verdict }], () => []);
      },
    },
  }),
};

/** The first sentence of the prompts that is long enough to be recognised, without case and punctuation; null when there is none. */
export function needleOf(systemPrompt: string): string | null {
  const prompts = [...systemPrompt.matchAll(PROMPT_BLOCK)].map(([, text]) => text ?? '');
  for (const sentence of prompts.flatMap((text) => text.split(/(?<=[.!?。])\s+|\n+/))) {
    const needle = normalised(sentence);
    if (needle.length >= MIN_NEEDLE_CHARS) return needle.slice(0, 500);
  }
  return null;
}
