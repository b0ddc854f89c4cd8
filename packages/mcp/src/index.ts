export { callTool, IDEMPOTENCY_META_KEY, listTools, McpError, type McpCall, type McpClientOptions, type McpConnection } from './client.ts';
export { serverSlug, toolName } from './names.ts';
export { toToolResult, type CallResult } from './results.ts';
export { cleanTools, specOf, type McpTool } from './tools.ts';
