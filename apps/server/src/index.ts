export { ConfigError, loadConfig } from './config.ts';
export type { ServerConfig } from './config.ts';
export { ServerStartError, startServer } from './server.ts';
export type { RunningServer } from './server.ts';
