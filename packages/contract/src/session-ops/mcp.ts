import { z } from 'zod';
import { op } from './op.ts';

/** MCP servers of the session's configuration. Secrets of a connection are for the memory of the step that asked. */

/** A server that a session may use, and what it said that it can do. */
export interface McpServerState {
  /** `mcp:<id>` of the organization's, `mcp-scoped:<name>` of one that stands in a tier. */
  ref: string;
  name: string;
  url: string;
  /** The same for every session that means the same server. */
  key: string;
  /** As the worker kept them; null when they are not known. */
  tools: unknown[] | null;
  /** Milliseconds since they were heard, and since asking failed after that; null for never. */
  age_ms: number | null;
  failed_ms: number | null;
}

/** An MCP server that a session's configuration names, and that its organization has put away. */
export interface GoneMcpServer {
  ref: string;
  /** Null when nothing is known by that reference. */
  name: string | null;
  status: 'disabled' | 'archived' | 'deleted';
}

/** Most tools of one server that are kept. */
export const MAX_MCP_TOOLS = 256;

const ref = z.string().min(1).max(512);
/** Public id of an agent of the session that answers in the place of its own. */
const agent_id = z.string().max(100).optional();

export const MCP_OPS = {
  /** A control plane of an older version does not say what is gone. */
  'mcp.servers': op<{ servers: McpServerState[]; gone?: GoneMcpServer[] }>()(z.strictObject({ agent_id })),
  'mcp.connect': op<{ url: string; headers: Record<string, string> }>()(z.strictObject({ ref, agent_id })),
  /** Null tells that the server could not be asked. */
  'mcp.keep_tools': op<{ kept: boolean }>()(
    z.strictObject({ ref, agent_id, tools: z.array(z.record(z.string(), z.unknown())).max(MAX_MCP_TOOLS).nullable() }),
  ),
};
