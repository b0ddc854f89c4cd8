import { formatAddress, type LocalConfig } from './config.ts';
import type { Secrets } from './home.ts';

const PROVIDER_KEYS = ['OPENAI_API_KEY', 'ANTHROPIC_API_KEY', 'GEMINI_API_KEY'] as const;

/** A worker has no database, no keys and no bus: what it runs for a model must not find them either. */
const SERVER_ONLY = [
  'DATABASE_URL',
  'DATABASE_UNPOOLED_URL',
  'SECRETS_ENCRYPTION_KEY',
  'SECRETS_ENCRYPTION_KEY_PREVIOUS',
  'SMTP_URL',
  'NATS_URL',
  'VALKEY_URL',
  ...PROVIDER_KEYS,
  ...PROVIDER_KEYS.map((name) => `DEFAULT_${name}`),
];

/** Common names of provider keys serve as fallback keys, unless those are given. */
export function fallbackKeys(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(
    PROVIDER_KEYS.flatMap((name) => {
      const value = [env[`DEFAULT_${name}`], env[name]].find((key) => key !== undefined && key !== '');
      return value === undefined ? [] : [[`DEFAULT_${name}`, value]];
    }),
  );
}

export interface ServerEnvironmentParams {
  env: NodeJS.ProcessEnv;
  config: LocalConfig;
  secrets: Secrets;
  databaseUrl: string;
}

export function serverEnvironment({ env, config, secrets, databaseUrl }: ServerEnvironmentParams): NodeJS.ProcessEnv {
  const { DATABASE_UNPOOLED_URL: _, ...rest } = env; // of the database that is not used
  return {
    ...rest,
    ...fallbackKeys(env),
    DATABASE_URL: databaseUrl,
    HTTP_ADDR: formatAddress(config.http),
    WORKER_GRPC_ADDR: formatAddress(config.grpc),
    WORKER_GRPC_AUTH_TOKEN: env.WORKER_GRPC_AUTH_TOKEN ?? secrets.WORKER_GRPC_AUTH_TOKEN,
    SECRETS_ENCRYPTION_KEY: env.SECRETS_ENCRYPTION_KEY ?? secrets.SECRETS_ENCRYPTION_KEY,
    DEPLOYMENT_GRADE: config.grade,
    AUTH_MODE: config.authMode,
    EVERRUNS_SOLE_INSTANCE: String(config.soleInstance),
  };
}

export interface WorkerEnvironmentParams {
  env: NodeJS.ProcessEnv;
  grpcAddress: string;
  token: string;
  drainMs: number;
}

export function workerEnvironment({ env, grpcAddress, token, drainMs }: WorkerEnvironmentParams): NodeJS.ProcessEnv {
  const kept = Object.entries(env).filter(([name]) => !SERVER_ONLY.includes(name) && !name.startsWith('AUTH_'));
  return {
    ...Object.fromEntries(kept),
    WORKER_GRPC_ADDRESS: grpcAddress,
    WORKER_GRPC_AUTH_TOKEN: token,
    WORKER_DRAIN_TIMEOUT_SECS: String(drainMs / 1000),
    DEPLOYMENT_GRADE: env.DEPLOYMENT_GRADE ?? 'dev',
  };
}
