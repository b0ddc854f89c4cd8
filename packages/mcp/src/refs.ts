import type { ConfigLayer } from '@everruns/contract';

/** References of MCP servers among the capabilities of a configuration. */

export function isMcpRef(ref: string): boolean {
  return ref.startsWith('mcp:') || ref.startsWith('mcp-scoped:');
}

/** Does this configuration use any? What has none pays nothing for the others. */
export function usesMcp(layers: readonly ConfigLayer[]): boolean {
  return layers.some(
    ({ capabilities = [], mcp_servers: scoped = {} }) => capabilities.some(({ ref }) => isMcpRef(ref)) || Object.keys(scoped).length > 0,
  );
}
