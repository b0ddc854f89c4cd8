export * from './mcp-runs.ts';
