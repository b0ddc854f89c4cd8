import { fromPublicId } from '@everruns/contract';
import type { MCP_OPS } from '@everruns/contract';
import type { McpConnections, McpScope } from '../services/mcp-connections.ts';
import type { LeaseScope } from './scope.ts';
import type { OpHandlers } from './session-ops.ts';

/** MCP servers of the session, in the name of a lease. */
export function mcpOps(connections: McpConnections): OpHandlers<keyof typeof MCP_OPS> {
  return {
    'mcp.servers': (scope, { agent_id }) => connections.servers(at(scope, agent_id)),
    'mcp.connect': (scope, { ref, agent_id }) => connections.connect(at(scope, agent_id), ref),
    async 'mcp.keep_tools'(scope, { ref, agent_id, tools }) {
      await connections.keep(at(scope, agent_id), ref, tools);
      return { kept: true };
    },
  };
}

function at({ orgId, sessionId, lease }: LeaseScope, agent: string | undefined): McpScope {
  const agentId = agent === undefined ? null : fromPublicId('agent', agent);
  return { orgId, sessionId, lease, ...(agentId !== null && { agentId }) };
}
