import { readFileSync } from 'node:fs';
import { parseDockerHost } from '@everruns/capabilities/docker-container/address';
import { readLinkCertificates } from '@everruns/contract/link-certificates';
import { LOOPBACK_RULES, parseEgressAllow } from '@everruns/outbound';
import { z } from 'zod';
import type { GrpcTls } from './links/grpc-link.ts';

/** The environment of a worker process, parsed once. */
export interface WorkerConfig {
  grpc: { addresses: string[]; token?: string; tls?: GrpcTls };
  workerId?: string;
  workerGroup: string;
  maxTasks: number;
  maxModelWaits: number;
  drainTimeoutMs: number;
  connectTimeoutMs: number;
  driverModules: string[];
  capabilityModules: string[];
  /** Stop when standard input ends: the process that started this one is gone. */
  followsParent: boolean;
  logLevel: string;
  /** What outbound requests may reach besides public addresses, as `EGRESS_ALLOW` says it. */
  egressAllow: string;
  /** Where the Docker engine listens that tools may use. */
  dockerHost?: string;
  /** What tools may see of the environment. */
  toolEnv: Record<string, string>;
}

/** Every problem of the environment in one message. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

const list = z
  .string()
  .optional()
  .transform((text) => (text ?? '').split(',').flatMap((entry) => (entry.trim() === '' ? [] : [entry.trim()])));
const count = (otherwise: number, min: number) =>
  z
    .string()
    .regex(/^\d{1,6}$/, 'must be a whole number')
    .default(String(otherwise))
    .transform(Number)
    .refine((value) => value >= min, `must be at least ${min}`);
const address = z.string().regex(/^[^\s/]+:\d{1,5}$/, 'must be host:port');
const file = z.string().optional();

const Environment = z.object({
  WORKER_GRPC_ADDRESS: z
    .string()
    .default('127.0.0.1:9001')
    .transform((text) => text.split(',').map((entry) => entry.trim()))
    .pipe(z.array(address))
    .describe('Control planes, host:port; several separated by commas, the preferred one first'),
  WORKER_GRPC_AUTH_TOKEN: z.string().optional().describe('Bearer token that the control plane asks for'),
  WORKER_GRPC_CONNECT_TIMEOUT: count(30, 1).describe('Seconds within which the first connection must succeed'),
  WORKER_GRPC_TLS_CA_CERT: file.describe('PEM file; turns TLS on and verifies the control plane against it'),
  WORKER_GRPC_TLS_CERT: file.describe('PEM file; the certificate that this worker presents'),
  WORKER_GRPC_TLS_KEY: file.describe('PEM file; the key of that certificate'),
  WORKER_GRPC_TLS_DOMAIN: z.string().optional().describe("Name in the control plane's certificate, when it is not its address"),
  WORKER_ID: z.string().min(1).max(200).optional().describe('Name of this worker; must differ from every other that runs'),
  WORKER_GROUP: z.string().max(200).default('').describe('Name of the group that this worker belongs to'),
  MAX_CONCURRENT_TASKS: count(50, 1).describe('Tool calls at a time'),
  MAX_CONCURRENT_MODEL_WAITS: count(200, 1).describe('Model calls at a time'),
  WORKER_DRAIN_TIMEOUT_SECS: count(60, 0).describe('Seconds that running steps may take to end when the worker is stopped'),
  EVERRUNS_DRIVER_MODULES: list.describe('Modules with further model drivers'),
  EVERRUNS_CAPABILITY_MODULES: list.describe('Modules with further capabilities'),
  EGRESS_ALLOW: z
    .string()
    .superRefine((text, ctx) => {
      const problem = problemOf(() => parseEgressAllow(text));
      if (problem !== null) ctx.addIssue({ code: 'custom', message: problem });
    })
    .optional()
    .describe('Hosts and CIDRs that may be reached though they are not public, as target or class=target (provider, mcp, webhook, fetch)'),
  DOCKER_HOST: z
    .string()
    .superRefine((text, ctx) => {
      const problem = problemOf(() => parseDockerHost(text));
      if (problem !== null) ctx.addIssue({ code: 'custom', message: problem });
    })
    .optional()
    .describe('Docker engine in whose containers the tools of docker_container work, unix:///path or tcp://host:port'),
  DEPLOYMENT_GRADE: z.string().optional().describe('dev lets outbound requests reach this machine'),
  DEV_MODE: z.string().optional(),
  EVERRUNS_PARENT_PIPE: z.string().optional().describe('1: stop when standard input ends'),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
});

type Environment = z.infer<typeof Environment>;

/**
 * What code of others may need to reach the network, to speak the right language and to start quickly; above all not the worker's own
 * credentials.
 */
const TOOL_VARIABLES = [
  'PATH',
  'LANG',
  'LC_ALL',
  'TZ',
  'NODE_COMPILE_CACHE',
  'NODE_EXTRA_CA_CERTS',
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'NO_PROXY',
];

/** Throws a `ConfigError` that names every problem. Empty variables count as unset. */
export function parseWorkerConfig(env: NodeJS.ProcessEnv = process.env): WorkerConfig {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const parsed = Environment.safeParse(given);
  const problems = parsed.success ? [] : parsed.error.issues.map(({ path, message }) => `${String(path[0])}: ${message}`);
  const tls = parsed.success ? readTls(parsed.data, problems) : undefined;
  if (!parsed.success || problems.length > 0) throw new ConfigError(`Wrong settings: ${problems.join('; ')}.`);
  const { data } = parsed;
  return {
    grpc: {
      addresses: data.WORKER_GRPC_ADDRESS,
      ...(data.WORKER_GRPC_AUTH_TOKEN !== undefined && { token: data.WORKER_GRPC_AUTH_TOKEN }),
      ...(tls !== undefined && { tls }),
    },
    ...(data.WORKER_ID !== undefined && { workerId: data.WORKER_ID }),
    workerGroup: data.WORKER_GROUP,
    maxTasks: data.MAX_CONCURRENT_TASKS,
    maxModelWaits: data.MAX_CONCURRENT_MODEL_WAITS,
    drainTimeoutMs: data.WORKER_DRAIN_TIMEOUT_SECS * 1_000,
    connectTimeoutMs: data.WORKER_GRPC_CONNECT_TIMEOUT * 1_000,
    driverModules: data.EVERRUNS_DRIVER_MODULES,
    capabilityModules: data.EVERRUNS_CAPABILITY_MODULES,
    followsParent: data.EVERRUNS_PARENT_PIPE === '1',
    logLevel: data.LOG_LEVEL,
    egressAllow: data.EGRESS_ALLOW ?? (isDev(data) ? LOOPBACK_RULES : ''),
    ...(data.DOCKER_HOST !== undefined && { dockerHost: data.DOCKER_HOST }),
    toolEnv: toolEnvironment(given),
  };
}

function problemOf(parse: () => unknown): string | null {
  try {
    parse();
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

function isDev({ DEPLOYMENT_GRADE: grade, DEV_MODE: devMode }: Environment): boolean {
  return (grade ?? (devMode === 'true' || devMode === '1' ? 'dev' : 'prod')) === 'dev';
}

function toolEnvironment(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(TOOL_VARIABLES.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]])));
}

function readTls(data: Environment, problems: string[]): GrpcTls | undefined {
  const { WORKER_GRPC_TLS_CA_CERT: ca, WORKER_GRPC_TLS_CERT: cert, WORKER_GRPC_TLS_KEY: key, WORKER_GRPC_TLS_DOMAIN: domain } = data;
  const read = readLinkCertificates({ ca, cert, key }, problems, { read: (path) => readFileSync(path), nowMs: Date.now() });
  if (ca === undefined) {
    if (cert !== undefined || key !== undefined) problems.push('WORKER_GRPC_TLS_CERT needs WORKER_GRPC_TLS_CA_CERT, which turns TLS on');
    else if (domain !== undefined) problems.push('WORKER_GRPC_TLS_DOMAIN needs WORKER_GRPC_TLS_CA_CERT, which turns TLS on');
    return undefined;
  }
  return {
    ca: read.ca ?? Buffer.alloc(0), // then a problem says so
    ...(read.cert !== undefined && read.key !== undefined && { client: { cert: read.cert, key: read.key } }),
    ...(domain !== undefined && { domain }),
  };
}
