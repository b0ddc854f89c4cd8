import { parseKek, SecretError } from '@everruns/storage';
import type { Keyring } from '@everruns/storage';
import { LOOPBACK_RULES, parseEgressAllow } from '@everruns/outbound';
import { z } from 'zod';
import { readGrpcTls } from './grpc-tls.ts';
import type { GrpcTls } from './grpc-tls.ts';
import { AUTH_ENVIRONMENT, authOf } from './config-auth.ts';
import type { AuthSettings } from './config-auth.ts';
import { PROVIDER_ENVIRONMENT, providersOf } from './config-providers.ts';
import type { ProviderSettings } from './config-providers.ts';
import { LIMIT_ENVIRONMENT, limitsOf } from './config-limits.ts';
import type { LimitSettings } from './config-limits.ts';
import { count, flag, positive, publicUrl, text, variable } from './config-variables.ts';
import type { FallbackKeys, Grade } from './services/model-resolution.ts';
import { SCHEDULE_LIMITS } from './services/schedules.ts';
import type { ScheduleLimits } from './services/schedules.ts';

/** The control plane's environment: one schema, read once, every problem reported at once. */

export const GRADES = ['dev', 'poc', 'preview', 'prod'] as const satisfies readonly Grade[];
const DEFAULT_HEARTBEAT_SECS = 30;
/** The official clients give a silent stream up after this long. */
const CLIENT_PATIENCE_SECS = 45;
const LOOPBACK = /^(127\.\d+\.\d+\.\d+|::1|localhost)$/;
const MAX_PORT_PREFIX = 654;
/** Connections outside the pool: for LISTEN, for open text, for migrations and locks. */
export const DEDICATED_CONNECTIONS = 3;
const MAX_POOL = 20;

const address = z
  .string()
  .refine((value) => parseAddress(value) !== null, 'expected host:port')
  .transform((value) => parseAddress(value) as Address)
  .optional();
const postgresUrl = z
  .string()
  .regex(/^postgres(ql)?:\/\//, 'expected a postgres:// URL')
  .optional();
const origins = z
  .string()
  .transform((text) =>
    text
      .split(',')
      .map((origin) => origin.trim())
      .filter((origin) => origin !== ''),
  )
  .refine((list) => list.every(isOrigin), 'expected origins such as https://app.example.com, without path, and not *')
  .optional();
const valkeyUrl = z
  .string()
  .refine((value) => /^(redis|valkey)s?:\/\/[^/]/.test(value) && URL.canParse(value), 'expected a redis, rediss, valkey or valkeys URL')
  .optional();
const kek = z
  .string()
  .transform((value, ctx) => {
    try {
      return parseKek(value);
    } catch (error) {
      ctx.addIssue({ code: 'custom', message: error instanceof SecretError ? error.message : 'cannot be read' });
      return z.NEVER;
    }
  })
  .optional();
const prefix = z
  .string()
  .regex(/^(\/[A-Za-z0-9._~-]+)*\/?$/, 'expected a path such as /api, or nothing')
  .transform((path) => path.replace(/\/$/, ''))
  .optional();

export const ENVIRONMENT = {
  DATABASE_URL: variable(postgresUrl, 'required', 'PostgreSQL 17 or newer: the only state. May be a transaction pooler.'),
  DATABASE_UNPOOLED_URL: variable(
    postgresUrl,
    '`DATABASE_URL`',
    'Direct connection for migrations, LISTEN and locks when `DATABASE_URL` is a pooler.',
  ),
  PG_MAX_CONNECTIONS: variable(
    positive,
    '`100`',
    'Connections that the database server allows. All instances together take at most 80 % of them.',
  ),
  EXPECTED_INSTANCES: variable(
    positive,
    '`1`',
    'Control planes on this database. Divides the connections and the global and organization limits of streams.',
  ),
  EVERRUNS_SOLE_INSTANCE: variable(
    flag,
    '`false`',
    'Nobody else works on this database, so what a predecessor left is taken over without waiting.',
  ),
  DEV_MODE: variable(flag, '`false`', 'One process, no worker port, data gone on exit. Not for production.'),
  DEPLOYMENT_GRADE: variable(
    z.enum(GRADES).optional(),
    '`prod`, with `DEV_MODE` `dev`',
    'Which features exist: `dev`, `poc`, `preview` or `prod`. Experimental ones only in `dev`.',
  ),
  ...AUTH_ENVIRONMENT,
  ...PROVIDER_ENVIRONMENT,
  HTTP_ADDR: variable(address, '`0.0.0.0:9301`, in grade dev `127.0.0.1:9301`', 'Where REST and streams are served.'),
  WORKER_GRPC_ADDR: variable(address, '`0.0.0.0:9001`, in grade dev `127.0.0.1:9001`', 'Where workers attach.'),
  WORKER_GRPC_AUTH_TOKEN: variable(text, 'required outside grade dev', 'Bearer token of the workers; the same on both sides.'),
  WORKER_GRPC_TLS_CERT: variable(
    text,
    'unset',
    'PEM file with the certificate of the worker port. Together with `WORKER_GRPC_TLS_KEY` it turns TLS on.',
  ),
  WORKER_GRPC_TLS_KEY: variable(text, 'unset', 'PEM file with the private key of that certificate, without passphrase.'),
  WORKER_GRPC_TLS_CA_CERT: variable(
    text,
    'unset',
    'PEM file with authorities: a worker must then show a certificate that one of them has signed (mutual TLS).',
  ),
  PORT_PREFIX: variable(positive, 'unset', 'Moves the default ports: with `271`, HTTP is on 27101 and workers attach on 27102.'),
  API_PREFIX: variable(
    prefix,
    '`/api`',
    'Path that the REST API is mounted under. `/health` and `/api-doc/openapi.json` stay at the root.',
  ),
  PUBLIC_APP_URL: variable(
    publicUrl,
    'the address really served',
    'Address under which people and clients reach the installation; links are made with it.',
  ),
  SECRETS_ENCRYPTION_KEY: variable(
    kek,
    'unset',
    'Key-encryption key, `kek-v1:<base64 of 32 bytes>`. Without it secrets cannot be stored, and a database that holds some is refused.',
  ),
  SECRETS_ENCRYPTION_KEY_PREVIOUS: variable(kek, 'unset', 'The key before, while stored keys are being re-wrapped.'),
  DEFAULT_OPENAI_API_KEY: variable(text, 'unset', 'Used for OpenAI providers that have no stored key.'),
  DEFAULT_ANTHROPIC_API_KEY: variable(text, 'unset', 'Used for Anthropic providers that have no stored key.'),
  DEFAULT_GEMINI_API_KEY: variable(text, 'unset', 'Used for Google Gemini providers that have no stored key.'),
  SSE_REALTIME_CYCLE_SECS: variable(
    positive,
    '`300`',
    'A session stream is closed after 80 to 100 % of this; clients reconnect by themselves.',
  ),
  SSE_MONITORING_CYCLE_SECS: variable(positive, '`600`', 'The same for monitoring streams.'),
  SSE_HEARTBEAT_INTERVAL_SECS: variable(
    positive,
    '`30`',
    'Seconds between heartbeat comments. 45 and more is refused with a warning: clients would give the stream up.',
  ),
  SSE_GLOBAL_MAX: variable(count, '`10000`', 'Open streams of the installation; 0 = no limit.'),
  SSE_PER_ORG_MAX: variable(count, '`1000`', 'Open streams of one organization; 0 = no limit.'),
  SSE_PER_SESSION_MAX: variable(count, '`5`', 'Open streams of one session on one instance; 0 = no limit.'),
  MODEL_SYNC_INTERVAL_HOURS: variable(
    count,
    '`24`',
    "Hours between two looks at what models a vendor has, for providers with a stored key at the vendor's own address; 0 = only when asked.",
  ),
  SCHEDULES_PER_SESSION_MAX: variable(positive, '`5`', 'Active schedules of one session.'),
  SCHEDULES_PER_ORG_MAX: variable(positive, '`100`', 'Active schedules of one organization.'),
  SCHEDULE_MIN_INTERVAL_SECS: variable(positive, '`300`', 'Shortest time between two firings of one schedule.'),
  RESOURCE_LIMIT_MAX_HARNESSES_PER_ORG: variable(
    count,
    '`50`, in grade dev `0`',
    'Harnesses of an organization, built-in ones not counted; 0 = no limit.',
  ),
  RESOURCE_LIMIT_MAX_AGENTS_PER_ORG: variable(count, '`500`, in grade dev `0`', 'Agents of an organization; 0 = no limit.'),
  RESOURCE_LIMIT_MAX_SESSIONS_PER_ORG: variable(count, '`10000`, in grade dev `0`', 'Sessions of an organization; 0 = no limit.'),
  RESOURCE_LIMIT_MAX_PERSONAL_ACCESS_TOKENS_PER_USER: variable(
    count,
    '`25`, in grade dev `0`',
    'Tokens of a user or service account, expired ones not counted; 0 = no limit.',
  ),
  RESOURCE_LIMIT_MAX_SERVICE_ACCOUNTS_PER_ORG: variable(
    count,
    '`50`, in grade dev `0`',
    'Service accounts of an organization; 0 = no limit.',
  ),
  RATE_LIMIT_API_REQUESTS_PER_MINUTE: variable(
    count,
    '`1200`, in grade dev `0`',
    'Requests to the API from one address in any minute; 0 = no limit.',
  ),
  RATE_LIMIT_ORG_SESSION_CREATE_PER_MINUTE: variable(
    count,
    '`60`, in grade dev `0`',
    'Sessions that an organization makes in any minute, forks too; 0 = no limit.',
  ),
  ...LIMIT_ENVIRONMENT,
  TRUSTED_PROXY_HOPS: variable(
    count,
    '`1`',
    'Proxies before the control plane that add to `X-Forwarded-For`; only what comes from a private address is believed. 0 = none.',
  ),
  CORS_ALLOWED_ORIGINS: variable(
    origins,
    'unset',
    'Origins, separated by commas, whose pages may call the API with credentials, such as `https://app.example.com`; never `*`.',
  ),
  UI_DIRECTORY: variable(
    text,
    'unset; `npm start` builds the pages and sets it',
    'Where the built management interface is, an absolute path. Without it the server has no pages but those of logging in.',
  ),
  VALKEY_URL: variable(
    valkeyUrl,
    'unset',
    'Valkey or Redis that counts rate limits for all instances together: `redis://`, `rediss://`, `valkey://` or `valkeys://`. Without it each instance counts by itself.',
  ),
  EVERRUNS_CAPABILITY_MODULES: variable(
    text,
    'unset',
    'Comma-separated modules with further capabilities; the same on servers and workers.',
  ),
  EGRESS_ALLOW: variable(
    text,
    'unset, in grade dev `127.0.0.0/8,::1/128`',
    'Hosts and CIDRs that outbound requests may reach though they are not public: `target` or `class=target` (`provider`, `mcp`, `webhook`, `fetch`), separated by commas; the same on servers and workers.',
  ),
  CLIENT_TOOL_TIMEOUT_SECS: variable(
    positive,
    '`86400`',
    'How long a client-side tool call may stay unanswered before the agent is told so.',
  ),
  LOG_LEVEL: variable(
    z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).optional(),
    '`info`',
    'Least severity that is logged.',
  ),
} as const;

type Values = { [K in keyof typeof ENVIRONMENT]?: NonNullable<z.infer<(typeof ENVIRONMENT)[K]>> };

export interface Address {
  host: string;
  port: number;
}

export interface ServerConfig {
  readonly grade: Grade;
  readonly devMode: boolean;
  readonly auth: AuthSettings;
  readonly loginProviders: ProviderSettings;
  readonly http: Address;
  readonly grpc: Address;
  /** Null only in grade dev: then workers need none. */
  readonly grpcToken: string | null;
  /** Null: workers attach in plain text. */
  readonly grpcTls: GrpcTls | null;
  readonly database: { url: string; directUrl: string; poolSize: number };
  readonly expectedInstances: number;
  readonly soleInstance: boolean;
  /** The key that encrypts first, then the one before; empty without a key. */
  readonly keyring: Keyring;
  readonly fallbackKeys: FallbackKeys;
  readonly apiPrefix: string;
  /** Null: the address really served. */
  readonly publicUrl: string | null;
  readonly sse: {
    realtimeCycleMs: number;
    monitoringCycleMs: number;
    heartbeatMs: number;
    globalMax: number;
    perOrgMax: number;
    perSessionMax: number;
  };
  readonly modelSyncHours: number;
  readonly schedules: ScheduleLimits;
  readonly limits: { harnesses: number; agents: number; sessions: number };
  readonly tokens: { perUser: number; serviceAccountsPerOrg: number };
  readonly rates: LimitSettings['rates'] & { apiPerMinute: number; sessionsPerMinute: number; proxyHops: number };
  readonly organizations: LimitSettings['organizations'];
  readonly auditDays: number;
  readonly corsOrigins: readonly string[];
  /** Null: no management interface. */
  readonly uiDirectory: string | null;
  /** Null: each instance counts by itself. */
  readonly valkeyUrl: string | null;
  readonly capabilityModules: readonly string[];
  /** What outbound requests may reach besides public addresses, as `EGRESS_ALLOW` says it. */
  readonly egressAllow: string;
  readonly clientDeadlineMs: number;
  readonly logLevel: string;
  /** One line each, to be logged at start. */
  readonly warnings: readonly string[];
}

/** What is wrong with the environment, one line per variable. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`Wrong settings: ${problems.join('; ')}.`);
    this.problems = problems;
  }
}

/** Parses the environment; throws one `ConfigError` that names every problem. An empty variable counts as unset. */
export function loadConfig(env: Readonly<Record<string, string | undefined>> = process.env): ServerConfig {
  const problems: string[] = [];
  const values: Record<string, unknown> = {};
  for (const [name, schema] of Object.entries(ENVIRONMENT)) {
    const raw = env[name];
    if (raw === undefined || (raw === '' && name !== 'API_PREFIX')) continue;
    const parsed = schema.safeParse(raw);
    if (parsed.success) values[name] = parsed.data;
    else problems.push(`${name}: ${messageOf(parsed.error)}`);
  }
  const config = assemble(values as Values, problems);
  if (problems.length > 0) throw new ConfigError(problems);
  return deepFreeze(config);
}

function isOrigin(text: string): boolean {
  return /^https?:[^*]+$/.test(text) && URL.canParse(text) && new URL(text).origin === text;
}

function egressOf(text: string | undefined, grade: string, problems: string[]): string {
  const rules = text ?? (grade === 'dev' ? LOOPBACK_RULES : '');
  try {
    parseEgressAllow(rules);
  } catch (error) {
    problems.push(`EGRESS_ALLOW: ${(error as Error).message}`);
  }
  return rules;
}

function messageOf(error: z.ZodError): string {
  return error.issues[0]?.message ?? 'not valid';
}

function assemble(values: Values, problems: string[]): ServerConfig {
  const warnings: string[] = [];
  const devMode = values.DEV_MODE ?? false;
  const grade = values.DEPLOYMENT_GRADE ?? (devMode ? 'dev' : 'prod');
  const expectedInstances = values.EXPECTED_INSTANCES ?? 1;
  const addresses = addressesOf(values, grade, problems);
  if (grade !== 'dev' && values.WORKER_GRPC_AUTH_TOKEN === undefined) problems.push('WORKER_GRPC_AUTH_TOKEN: required outside grade dev');
  if (devMode && expectedInstances > 1) problems.push('EXPECTED_INSTANCES: DEV_MODE is one process, so it must be 1');
  if (values.EVERRUNS_SOLE_INSTANCE === true && expectedInstances > 1) {
    problems.push('EVERRUNS_SOLE_INSTANCE: contradicts EXPECTED_INSTANCES above 1');
  }
  const url = values.DATABASE_URL ?? '';
  if (url === '' && !problems.some((problem) => problem.startsWith('DATABASE_URL'))) problems.push('DATABASE_URL: required');
  const auth = authOf(values, { grade, host: addresses.http.host, publicUrl: values.PUBLIC_APP_URL ?? null, problems, warnings });
  const unlimited = grade === 'dev';
  const limits = limitsOf(values, unlimited);
  return {
    grade,
    devMode,
    auth,
    loginProviders: providersOf(values, { mode: auth.mode, problems, warnings }),
    ...addresses,
    grpcToken: values.WORKER_GRPC_AUTH_TOKEN ?? null,
    grpcTls: grpcTlsOf(values, { host: addresses.grpc.host, problems, warnings }),
    database: {
      url,
      directUrl: values.DATABASE_UNPOOLED_URL ?? url,
      poolSize: poolSize(values.PG_MAX_CONNECTIONS ?? 100, expectedInstances, problems),
    },
    expectedInstances,
    soleInstance: values.EVERRUNS_SOLE_INSTANCE ?? false,
    keyring: keyringOf(values, problems),
    fallbackKeys: fallbackKeysOf(values, grade, warnings),
    apiPrefix: values.API_PREFIX ?? '/api',
    publicUrl: values.PUBLIC_APP_URL ?? null,
    sse: sseOf(values, warnings),
    modelSyncHours: values.MODEL_SYNC_INTERVAL_HOURS ?? 24,
    schedules: {
      perSession: values.SCHEDULES_PER_SESSION_MAX ?? SCHEDULE_LIMITS.perSession,
      perOrg: values.SCHEDULES_PER_ORG_MAX ?? SCHEDULE_LIMITS.perOrg,
      minIntervalSecs: values.SCHEDULE_MIN_INTERVAL_SECS ?? SCHEDULE_LIMITS.minIntervalSecs,
    },
    limits: {
      harnesses: values.RESOURCE_LIMIT_MAX_HARNESSES_PER_ORG ?? (unlimited ? 0 : 50),
      agents: values.RESOURCE_LIMIT_MAX_AGENTS_PER_ORG ?? (unlimited ? 0 : 500),
      sessions: values.RESOURCE_LIMIT_MAX_SESSIONS_PER_ORG ?? (unlimited ? 0 : 10_000),
    },
    tokens: {
      perUser: values.RESOURCE_LIMIT_MAX_PERSONAL_ACCESS_TOKENS_PER_USER ?? (unlimited ? 0 : 25),
      serviceAccountsPerOrg: values.RESOURCE_LIMIT_MAX_SERVICE_ACCOUNTS_PER_ORG ?? (unlimited ? 0 : 50),
    },
    organizations: limits.organizations,
    auditDays: limits.auditDays,
    rates: {
      ...limits.rates,
      apiPerMinute: values.RATE_LIMIT_API_REQUESTS_PER_MINUTE ?? (unlimited ? 0 : 1_200),
      sessionsPerMinute: values.RATE_LIMIT_ORG_SESSION_CREATE_PER_MINUTE ?? (unlimited ? 0 : 60),
      proxyHops: values.TRUSTED_PROXY_HOPS ?? 1,
    },
    corsOrigins: values.CORS_ALLOWED_ORIGINS ?? [],
    uiDirectory: values.UI_DIRECTORY ?? null,
    valkeyUrl: values.VALKEY_URL ?? null,
    capabilityModules: (values.EVERRUNS_CAPABILITY_MODULES ?? '')
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== ''),
    egressAllow: egressOf(values.EGRESS_ALLOW, grade, problems),
    clientDeadlineMs: (values.CLIENT_TOOL_TIMEOUT_SECS ?? 86_400) * 1_000,
    logLevel: values.LOG_LEVEL ?? 'info',
    warnings,
  };
}

function addressesOf(values: Values, grade: Grade, problems: string[]): { http: Address; grpc: Address } {
  const host = grade === 'dev' ? '127.0.0.1' : '0.0.0.0';
  const portPrefix = values.PORT_PREFIX;
  if (portPrefix !== undefined && portPrefix > MAX_PORT_PREFIX)
    problems.push(`PORT_PREFIX: expected a number from 1 to ${MAX_PORT_PREFIX}`);
  const base = portPrefix === undefined ? null : portPrefix * 100;
  return {
    http: values.HTTP_ADDR ?? { host, port: base === null ? 9301 : base + 1 },
    grpc: values.WORKER_GRPC_ADDR ?? { host, port: base === null ? 9001 : base + 2 },
  };
}

function grpcTlsOf(values: Values, { host, problems, warnings }: { host: string; problems: string[]; warnings: string[] }): GrpcTls | null {
  const { WORKER_GRPC_TLS_CERT: cert, WORKER_GRPC_TLS_KEY: key, WORKER_GRPC_TLS_CA_CERT: ca } = values;
  if (cert === undefined && values.DEV_MODE !== true && !LOOPBACK.test(host)) {
    warnings.push(`Workers attach to ${host} without TLS: keep that port private, or set WORKER_GRPC_TLS_CERT and WORKER_GRPC_TLS_KEY.`);
  }
  return readGrpcTls({ cert, key, ca }, problems);
}

/** `(pool + dedicated connections) x instances <= 80 %` of what the server allows. */
function poolSize(maxConnections: number, instances: number, problems: string[]): number {
  const size = Math.floor((maxConnections * 0.8) / instances) - DEDICATED_CONNECTIONS;
  if (size < 2) {
    problems.push(
      `PG_MAX_CONNECTIONS: 80 % of ${maxConnections} is too little for ${instances} instances, each needs at least ${DEDICATED_CONNECTIONS + 2}`,
    );
  }
  return Math.min(size, MAX_POOL);
}

function keyringOf(values: Values, problems: string[]): Keyring {
  const { SECRETS_ENCRYPTION_KEY: primary, SECRETS_ENCRYPTION_KEY_PREVIOUS: previous } = values;
  if (previous === undefined) return primary === undefined ? [] : [primary];
  if (primary === undefined) problems.push('SECRETS_ENCRYPTION_KEY_PREVIOUS: needs SECRETS_ENCRYPTION_KEY');
  else if (primary.id === previous.id) problems.push(`SECRETS_ENCRYPTION_KEY_PREVIOUS: has the id "${previous.id}" of the current key`);
  return primary === undefined ? [] : [primary, previous];
}

function fallbackKeysOf(values: Values, grade: Grade, warnings: string[]): FallbackKeys {
  const keys = {
    ...(values.DEFAULT_OPENAI_API_KEY === undefined ? {} : { openai: values.DEFAULT_OPENAI_API_KEY }),
    ...(values.DEFAULT_ANTHROPIC_API_KEY === undefined ? {} : { anthropic: values.DEFAULT_ANTHROPIC_API_KEY }),
    ...(values.DEFAULT_GEMINI_API_KEY === undefined ? {} : { google: values.DEFAULT_GEMINI_API_KEY }),
  };
  if (grade !== 'dev' && Object.keys(keys).length > 0) {
    warnings.push('DEFAULT_*_API_KEY is meant for development: here it serves the default organization only.');
  }
  return keys;
}

function sseOf(values: Values, warnings: string[]): ServerConfig['sse'] {
  const asked = values.SSE_HEARTBEAT_INTERVAL_SECS ?? DEFAULT_HEARTBEAT_SECS;
  const tooSlow = asked >= CLIENT_PATIENCE_SECS;
  if (tooSlow)
    warnings.push(
      `SSE_HEARTBEAT_INTERVAL_SECS=${asked} is refused: clients give up after ${CLIENT_PATIENCE_SECS} s. It is ${DEFAULT_HEARTBEAT_SECS}.`,
    );
  return {
    realtimeCycleMs: (values.SSE_REALTIME_CYCLE_SECS ?? 300) * 1_000,
    monitoringCycleMs: (values.SSE_MONITORING_CYCLE_SECS ?? 600) * 1_000,
    heartbeatMs: (tooSlow ? DEFAULT_HEARTBEAT_SECS : asked) * 1_000,
    globalMax: values.SSE_GLOBAL_MAX ?? 10_000,
    perOrgMax: values.SSE_PER_ORG_MAX ?? 1_000,
    perSessionMax: values.SSE_PER_SESSION_MAX ?? 5,
  };
}

/** `host:port`, `[v6]:port`, `:port` or `port`; without a host the loopback. Port 0 lets the system choose. */
function parseAddress(value: string): Address | null {
  const match = /^(?:(\[[0-9a-fA-F:.]+\]|[^:\s]*):)?(\d{1,5})$/.exec(value);
  if (match === null || Number(match[2]) > 65_535) return null;
  const host = (match[1] ?? '').replace(/^\[(.*)\]$/, '$1');
  return { host: host === '' ? '127.0.0.1' : host, port: Number(match[2]) };
}

/** Key bytes stay as they are: views of memory cannot be frozen. */
function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !ArrayBuffer.isView(value) && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const member of Object.values(value)) deepFreeze(member);
  }
  return value;
}
