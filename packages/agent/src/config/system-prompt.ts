import type { LayerSource } from './layers.ts';
import { sourceOf } from './layers.ts';

/** The prompt texts of one layer, base first, with its capabilities in their order. */
export interface PromptSection extends LayerSource {
  prompt?: string;
  capabilities: { id: string; prompt: string }[];
}

/** One tagged text of the system prompt and the layer that put it there. */
export interface PromptBlock {
  layer: LayerSource;
  /** Whose text it is; absent for the layer's own prompt. */
  capability?: string;
  text: string;
}

/**
 * The system prompt, most specific first: the session's capabilities and prompt, the agent's, then the harness chain's capabilities (leaf,
 * then parents) and its prompts in the same order. Each text stands in its tag, also when it is the only one.
 */
export function promptBlocks(sections: readonly PromptSection[]): PromptBlock[] {
  const blocks: PromptBlock[] = [];
  for (const tier of ['session', 'agent', 'harness'] as const) {
    const specificFirst = sections.filter((section) => section.tier === tier).reverse();
    for (const section of specificFirst) {
      for (const { id, prompt } of section.capabilities) {
        blocks.push({ layer: sourceOf(section), capability: id, text: tagged(`capability id="${attribute(id)}"`, 'capability', prompt) });
      }
    }
    for (const section of specificFirst) {
      if (section.prompt === undefined) continue;
      blocks.push({ layer: sourceOf(section), text: tagged(`system-prompt tier="${tier}"`, 'system-prompt', section.prompt) });
    }
  }
  return blocks;
}

export function composeSystemPrompt(blocks: readonly PromptBlock[]): string {
  return blocks.map(({ text }) => text).join('\n\n');
}

function tagged(opening: string, tag: string, text: string): string {
  return `<${opening}>\n${text}\n</${tag}>`;
}

function attribute(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
