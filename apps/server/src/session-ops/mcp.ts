import type { MCP_OPS } from '@everruns/contract';
import type { McpConnections } from '../services/mcp-connections.ts';
import type { OpHandlers } from './session-ops.ts';

/** MCP servers of the session, in the name of a lease. */
export function mcpOps(connections: McpConnections): OpHandlers<keyof typeof MCP_OPS> {
  return {
    'mcp.servers': async (scope) => ({ servers: await connections.servers(scope) }),
    'mcp.connect': (scope, { ref }) => connections.connect(scope, ref),
    async 'mcp.keep_tools'(scope, { ref, tools }) {
      await connections.keep(scope, ref, tools);
      return { kept: true };
    },
  };
}
