export { createAskServer } from './ask.ts';
export { callTool, IDEMPOTENCY_META_KEY, listTools, McpError, type McpCall, type McpClientOptions, type McpConnection } from './client.ts';
export { serverSlug, toolName } from './names.ts';
export { toToolResult, type CallResult } from './results.ts';
export { cleanTools, specOf, type McpTool } from './tools.ts';
export { withMcpCalls, withMcpServers, withServers } from './capabilities.ts';
export { absenceEvents, goneText } from './absence.ts';
export { createMcpDiscovery, type DiscoveryRequest, type McpDiscovery, type McpServerTools, type McpTools } from './discovery.ts';
export { isMcpRef, usesMcp } from './refs.ts';
