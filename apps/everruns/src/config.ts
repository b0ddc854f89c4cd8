import { isIPv6 } from 'node:net';
import { join, resolve } from 'node:path';
import { StartError } from './errors.ts';

export interface Address {
  host: string;
  port: number;
}

/** What `npm start` and DEV_MODE decide for themselves; every other variable goes to server and worker as it is. */
export interface LocalConfig {
  /** The folder of data, keys and logs. */
  home: string;
  /** Everything in one process, and nothing kept. */
  devMode: boolean;
  http: Address;
  grpc: Address;
  postgresPort: number;
  authMode: string;
  grade: string;
  /** No other instance works on this data, so what a predecessor left needs no waiting. */
  soleInstance: boolean;
  /** How long a worker may finish its steps when all is stopped. */
  drainMs: number;
  /** One line each, for people. */
  warnings: string[];
}

const DEFAULT_DRAIN_SECS = 10;
const MAX_PREFIX = 654;
const LOOPBACK = /^(127\.\d+\.\d+\.\d+|::1|localhost)$/;

/** Parses the environment of `npm start`; throws one StartError that names every problem. */
export function parseLocalConfig(env: NodeJS.ProcessEnv, root: string): LocalConfig {
  const problems: string[] = [];
  const devMode = parseFlag(env, 'DEV_MODE', problems);
  const ports = parsePorts(env, problems);
  const http = parseAddress(env, 'HTTP_ADDR', ports.http, problems);
  const grpc = parseAddress(env, 'WORKER_GRPC_ADDR', ports.grpc, problems);
  const authMode = env.AUTH_MODE ?? 'none';
  for (const [name, { host, port }] of [['HTTP_ADDR', http] as const, ['WORKER_GRPC_ADDR', grpc] as const]) {
    if (authMode === 'none' && !LOOPBACK.test(host))
      problems.push(`${name}=${host}:${port} would open it to the network while AUTH_MODE is none`);
  }
  const instances = parseCount(env, 'EXPECTED_INSTANCES', 1, problems);
  if (devMode && instances > 1) problems.push('DEV_MODE is one process: EXPECTED_INSTANCES must be 1');
  const drainSecs = parseCount(env, 'WORKER_DRAIN_TIMEOUT_SECS', DEFAULT_DRAIN_SECS, problems);
  if (problems.length > 0) throw new StartError(`Wrong settings: ${problems.join('; ')}.`);
  const mode = devMode ? 'DEV_MODE' : 'npm start';
  return {
    home: env.EVERRUNS_HOME === undefined ? join(root, '.everruns') : resolve(env.EVERRUNS_HOME),
    devMode,
    http,
    grpc,
    postgresPort: ports.postgres,
    authMode,
    grade: env.DEPLOYMENT_GRADE ?? 'dev',
    soleInstance: instances === 1,
    drainMs: drainSecs * 1000,
    warnings: env.DATABASE_URL === undefined ? [] : [`DATABASE_URL is ignored: ${mode} uses its own PostgreSQL.`],
  };
}

function parseFlag(env: NodeJS.ProcessEnv, name: string, problems: string[]): boolean {
  const value = env[name]?.toLowerCase() ?? '';
  if (!['', 'true', '1', 'false', '0'].includes(value)) problems.push(`${name} is "${env[name]}", not true or false`);
  return value === 'true' || value === '1';
}

function parsePorts(env: NodeJS.ProcessEnv, problems: string[]): { http: number; grpc: number; postgres: number } {
  const prefix = env.PORT_PREFIX ?? '';
  if (prefix === '') return { http: 9301, grpc: 9001, postgres: 5432 };
  const valid = /^[1-9]\d*$/.test(prefix) && Number(prefix) <= MAX_PREFIX;
  if (!valid) problems.push(`PORT_PREFIX is "${prefix}", not a number from 1 to ${MAX_PREFIX}`);
  const base = valid ? Number(prefix) * 100 : 0;
  return { http: base + 1, grpc: base + 2, postgres: base + 32 };
}

/** `host:port`, `:port` or `port`; the host is the loopback unless it is given. */
function parseAddress(env: NodeJS.ProcessEnv, name: string, defaultPort: number, problems: string[]): Address {
  const value = env[name] ?? '';
  if (value === '') return { host: '127.0.0.1', port: defaultPort };
  const match = /^(?:(.*):)?(\d{1,5})$/.exec(value);
  const port = Number(match?.[2]);
  if (match === null || port < 1 || port > 65_535) {
    problems.push(`${name} is "${value}", not host:port`);
    return { host: '127.0.0.1', port: defaultPort };
  }
  const host = (match[1] ?? '').replace(/^\[(.*)\]$/, '$1');
  return { host: host === '' ? '127.0.0.1' : host, port };
}

function parseCount(env: NodeJS.ProcessEnv, name: string, otherwise: number, problems: string[]): number {
  const value = env[name] ?? '';
  if (value === '') return otherwise;
  if (!/^\d{1,6}$/.test(value)) problems.push(`${name} is "${value}", not a whole number`);
  return Number(value);
}

export function formatAddress({ host, port }: Address): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}
