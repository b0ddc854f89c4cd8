import type { CapabilityRegistry, NetworkAccess } from '@everruns/agent';
import type { ConfigLayer } from '@everruns/contract';
import { usesMcp } from '@everruns/mcp/refs';
import type { McpConnections, McpScope } from './mcp-connections.ts';

/** A configuration with the tools of its MCP servers, as far as their lists are known. */
export interface Equipped {
  layers: readonly ConfigLayer[];
  equip: (registry: CapabilityRegistry) => CapabilityRegistry;
}

/**
 * What a turn of this session would find without asking any server: a preview shows the lists that are kept, by the rules that a turn has for
 * them, and a server that nobody has asked yet has no tools in it.
 */
export async function withKnownMcpTools(
  connections: McpConnections,
  at: McpScope,
  { layers, access }: { layers: readonly ConfigLayer[]; access: NetworkAccess | undefined },
): Promise<Equipped> {
  if (!usesMcp(layers)) return { layers, equip: (registry) => registry };
  // Its SDK is large, and most installations never need it.
  const { createMcpDiscovery, withMcpServers, withServers } = await import('@everruns/mcp');
  const discovery = createMcpDiscovery({
    fetch: () => () => Promise.reject(new Error('a preview asks nobody')),
    log: { warn: () => undefined, error: () => undefined },
    asks: false,
  });
  const { servers } = await discovery.toolsOf({
    call: async () => ({ value: await connections.servers(at) }),
    access,
    signal: AbortSignal.timeout(5_000),
  });
  return { layers: withServers(layers, servers), equip: (registry) => withMcpServers(registry, servers) };
}
