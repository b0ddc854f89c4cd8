import type { CapabilityRef, ConfigLayer, ToolDefinition } from '@everruns/contract';

/** What one layer contributes after the fold; a capability stands in the section of the last layer that names it. */
export interface LayerSection {
  tier: ConfigLayer['tier'];
  id: string;
  prompt?: string;
  capabilities: CapabilityRef[];
}

export interface FoldedConfig {
  /** Base first: harness root, ..., harness leaf, agent, session. */
  sections: LayerSection[];
  /** Client-side tools in fold order. */
  tools: { tier: ConfigLayer['tier']; definition: ToolDefinition }[];
  maxIterations?: number;
  parallelToolCalls?: boolean;
  /** Of the harness chain; goes along with model requests. */
  embedderMetadata: Record<string, string>;
}

/**
 * Folds the tiers, base first (harness root to leaf, agent, session). A later layer wins: it replaces a capability's whole entry and the
 * scalar values it sets, and its tools are added. A harness has no tools and no iteration limit.
 */
export function foldLayers(layers: readonly ConfigLayer[]): FoldedConfig {
  const lastNamedIn = new Map<string, number>();
  layers.forEach((layer, index) => {
    for (const { ref } of layer.capabilities ?? []) lastNamedIn.set(ref, index);
  });
  const folded: FoldedConfig = { sections: [], tools: [], embedderMetadata: {} };
  layers.forEach((layer, index) => {
    folded.sections.push(sectionOf(layer, (ref) => lastNamedIn.get(ref) === index));
    if (layer.parallel_tool_calls !== undefined) folded.parallelToolCalls = layer.parallel_tool_calls;
    if (layer.tier === 'harness') {
      Object.assign(folded.embedderMetadata, layer.embedder_metadata);
      return;
    }
    if (layer.max_iterations !== undefined) folded.maxIterations = layer.max_iterations;
    for (const definition of layer.tools ?? []) folded.tools.push({ tier: layer.tier, definition });
  });
  return folded;
}

function sectionOf(layer: ConfigLayer, isOwn: (ref: string) => boolean): LayerSection {
  // A list that names one id twice keeps the place of the first and the configuration of the last.
  const own = new Map<string, CapabilityRef>();
  for (const entry of layer.capabilities ?? []) {
    if (isOwn(entry.ref)) own.set(entry.ref, entry);
  }
  const prompt = layer.system_prompt?.trim();
  const section: LayerSection = { tier: layer.tier, id: layer.id, capabilities: [...own.values()] };
  return prompt ? { ...section, prompt } : section;
}
