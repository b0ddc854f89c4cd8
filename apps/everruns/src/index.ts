export { composeInProcess, type ComposeParams, type Composition } from './compose.ts';
export { parseLocalConfig, type Address, type LocalConfig } from './config.ts';
export { startDevMode, type DevParams } from './dev-mode.ts';
export { DataInUseError, StartError } from './errors.ts';
export { startLocal, type LocalParams, type Runtime } from './local.ts';
export { destroyCluster } from './postgres/destroy.ts';
export { keepPostgres, type KeepOptions, type KeptPostgres } from './postgres/keep.ts';
export { startPostgres, type PostgresOptions, type PostgresServer } from './postgres/start.ts';
