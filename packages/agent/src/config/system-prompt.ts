import type { ConfigLayer } from '@everruns/contract';

/** The prompt texts of one layer, base first, with its capabilities in their order. */
export interface PromptSection {
  tier: ConfigLayer['tier'];
  prompt?: string;
  capabilities: { id: string; prompt: string }[];
}

/**
 * The system prompt, most specific first: the session's capabilities and prompt, the agent's, then the harness chain's capabilities (leaf,
 * then parents) and its prompts in the same order. Each text stands in its tag, also when it is the only one.
 */
export function composeSystemPrompt(sections: readonly PromptSection[]): string {
  const blocks: string[] = [];
  for (const tier of ['session', 'agent', 'harness'] as const) {
    const specificFirst = sections.filter((section) => section.tier === tier).reverse();
    for (const { capabilities } of specificFirst) {
      for (const { id, prompt } of capabilities) blocks.push(tagged(`capability id="${attribute(id)}"`, 'capability', prompt));
    }
    for (const { prompt } of specificFirst) {
      if (prompt !== undefined) blocks.push(tagged(`system-prompt tier="${tier}"`, 'system-prompt', prompt));
    }
  }
  return blocks.join('\n\n');
}

function tagged(opening: string, tag: string, text: string): string {
  return `<${opening}>\n${text}\n</${tag}>`;
}

function attribute(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
