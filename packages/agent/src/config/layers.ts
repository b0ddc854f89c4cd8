import type { CapabilityRef, ConfigLayer, ToolDefinition } from '@everruns/contract';
import { canonicalCapabilityId } from './capability-ids.ts';
import { mergeInitialFiles } from './initial-files.ts';
import { narrowNetworkAccess, type NetworkAccess } from './network-access.ts';

/** Where a part of the configuration comes from. */
export interface LayerSource {
  tier: ConfigLayer['tier'];
  id: string;
  name?: string;
}

/** What one layer contributes after the fold; a capability stands in the section of the last layer that names it. */
export interface LayerSection extends LayerSource {
  prompt?: string;
  capabilities: CapabilityRef[];
}

export interface FoldedConfig {
  /** Base first: harness root, ..., harness leaf, agent, session. */
  sections: LayerSection[];
  /** Client-side tools in fold order. */
  tools: { layer: LayerSource; definition: ToolDefinition }[];
  maxIterations?: number;
  parallelToolCalls?: boolean;
  /** Of the harness chain; goes along with model requests. */
  embedderMetadata: Record<string, string>;
  networkAccess?: NetworkAccess;
  /** By logical name. */
  mcpServers: Record<string, Record<string, unknown>>;
  initialFiles: { path: string }[];
}

/**
 * Folds the tiers, base first (harness root to leaf, agent, session). A later layer wins: it replaces a capability's whole entry, an MCP
 * server, a starter file and the scalar values it sets, and its tools are added. Network access only narrows. A harness has no tools and no
 * iteration limit.
 */
export function foldLayers(layers: readonly ConfigLayer[]): FoldedConfig {
  const lastNamedIn = new Map<string, number>();
  layers.forEach((layer, index) => {
    for (const { ref } of layer.capabilities ?? []) lastNamedIn.set(canonicalCapabilityId(ref), index);
  });
  const folded: FoldedConfig = {
    sections: [],
    tools: [],
    embedderMetadata: {},
    mcpServers: {},
    initialFiles: mergeInitialFiles(layers.map((layer) => layer.initial_files ?? [])),
  };
  layers.forEach((layer, index) => {
    folded.sections.push(sectionOf(layer, (ref) => lastNamedIn.get(ref) === index));
    if (layer.parallel_tool_calls !== undefined) folded.parallelToolCalls = layer.parallel_tool_calls;
    const access = narrowNetworkAccess(folded.networkAccess, layer.network_access);
    if (access !== undefined) folded.networkAccess = access;
    folded.mcpServers = { ...folded.mcpServers, ...layer.mcp_servers };
    if (layer.tier === 'harness') {
      Object.assign(folded.embedderMetadata, layer.embedder_metadata);
      return;
    }
    if (layer.max_iterations !== undefined) folded.maxIterations = layer.max_iterations;
    for (const definition of layer.tools ?? []) folded.tools.push({ layer: sourceOf(layer), definition });
  });
  return folded;
}

export function sourceOf({ tier, id, name }: LayerSource): LayerSource {
  return { tier, id, ...(name !== undefined && { name }) };
}

function sectionOf(layer: ConfigLayer, isOwn: (ref: string) => boolean): LayerSection {
  // A list that names one id twice keeps the place of the first and the configuration of the last.
  const own = new Map<string, CapabilityRef>();
  for (const entry of layer.capabilities ?? []) {
    const ref = canonicalCapabilityId(entry.ref);
    if (isOwn(ref)) own.set(ref, { ...entry, ref });
  }
  const prompt = promptOf(layer);
  return { ...sourceOf(layer), capabilities: [...own.values()], ...(prompt !== '' && { prompt }) };
}

/** The session's goal ends its prompt, in a tag of its own. */
function promptOf({ system_prompt, goal }: ConfigLayer): string {
  const aim = goal?.trim();
  return [system_prompt?.trim(), aim ? `<session-goal>\n${aim}\n</session-goal>` : undefined].filter(Boolean).join('\n\n');
}
