export * from './clients.ts';
export * from './grants.ts';
export * from './interactions.ts';
export * from './mcp-runs.ts';
export * from './tokens.ts';
