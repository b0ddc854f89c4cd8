import { canonicalCapabilityId, foldLayers, normalizeFilePath, type RuntimeAgent } from '@everruns/agent';
import type { ConfigLayer, PreviewLayer, Provenance } from '@everruns/contract';

/** Tells for an assembled agent which of its layers (base first) gave what. */
export function provenanceOf(layers: readonly ConfigLayer[], agent: RuntimeAgent, model: Provenance['model']): Provenance {
  const last = (says: (layer: ConfigLayer) => boolean): PreviewLayer | undefined => {
    const found = layers.findLast(says);
    return found === undefined ? undefined : named(found);
  };
  const iterations = last((layer) => layer.tier !== 'harness' && layer.max_iterations !== undefined);
  const parallel = last((layer) => layer.parallel_tool_calls !== undefined);
  const active = new Set(agent.capabilities.map(({ ref }) => ref));
  return {
    layers: layers.map(named),
    prompt: agent.promptBlocks.map(({ layer, capability, text }) => ({
      layer: named(layer),
      ...(capability !== undefined && { capability }),
      text,
    })),
    capabilities: agent.capabilities.map(({ ref, config, layer, requiredBy }) => ({
      ref,
      ...(config !== undefined && { config }),
      layer: named(layer),
      ...(requiredBy !== undefined && { required_by: requiredBy }),
      overrides:
        requiredBy === undefined
          ? layers
              .filter((below) => names(below, ref))
              .slice(0, -1)
              .map(named)
          : [],
    })),
    inert_capabilities: foldLayers(layers).sections.flatMap((section) =>
      section.capabilities.filter(({ ref }) => !active.has(ref)).map(({ ref }) => ({ ref, layer: named(section) })),
    ),
    tools: agent.tools.map(({ spec, capability, layer }) => ({
      name: spec.name,
      layer: named(layer ?? (layers.at(-1) as ConfigLayer)),
      ...(capability !== undefined && { capability: capability.ref }),
    })),
    ...(model !== undefined && { model }),
    limits: {
      max_iterations: { value: agent.maxIterations, ...(iterations !== undefined && { layer: iterations }) },
      ...(agent.parallelToolCalls !== undefined &&
        parallel !== undefined && { parallel_tool_calls: { value: agent.parallelToolCalls, layer: parallel } }),
      ...(agent.networkAccess !== undefined && {
        network_access: { value: agent.networkAccess, layers: layers.filter((layer) => layer.network_access !== undefined).map(named) },
      }),
    },
    mcp_servers: Object.keys(agent.mcpServers).map((name) => ({
      name,
      layer: last((layer) => layer.mcp_servers !== undefined && Object.hasOwn(layer.mcp_servers, name)) as PreviewLayer,
    })),
    initial_files: foldLayers(layers).initialFiles.map(({ path }) => ({
      path,
      layer: last((layer) => layer.initial_files?.some((file) => normalizeFilePath(file.path) === path) === true) as PreviewLayer,
    })),
    embedder_metadata: agent.embedderMetadata,
  };
}

function names(layer: ConfigLayer, ref: string): boolean {
  return layer.capabilities?.some((entry) => canonicalCapabilityId(entry.ref) === ref) === true;
}

function named({ tier, id, name }: { tier: ConfigLayer['tier']; id: string; name?: string }): PreviewLayer {
  return { tier, ...(id !== '' && { id }), ...(name !== undefined && name !== '' && { name }) };
}
