import { createCapabilityRegistry } from '@everruns/agent';
import type { Capability } from '@everruns/agent';
import { builtInCapabilities } from '@everruns/capabilities';
import { withAnnounced } from '@everruns/capabilities/announced';
import { createIdSource } from '@everruns/contract';
import { createVault, parseKek } from '@everruns/storage';
import type { Database, Keyring } from '@everruns/storage';
import type { CommitFeed } from '../../stream/port.ts';
import type { FallbackKeys, Grade } from '../../services/model-resolution.ts';
import type { MemorySync } from '../../services/memory-sync.ts';
import { offeredExamples } from '../../services/examples.ts';
import { provisionAll } from '../../services/provisioning.ts';
import type { AgentExample } from '../../services/seeds/agents.ts';
import type { TurnWaiter } from '../../services/messages.ts';
import { engineFixture } from '../../turns/testing/fixture.ts';
import type { EngineFixture } from '../../turns/testing/fixture.ts';
import { createMemoryLimiter } from '../../limits/memory-limiter.ts';
import type { Limiter } from '../../limits/limiter.ts';
import { createApp } from '../app.ts';
import type { AppDeps, AppSettings } from '../app.ts';
import type { Authenticate } from '../authenticate.ts';
import { SCHEDULE_LIMITS } from '../../services/schedules.ts';
import { makePerson, mailbox, testIdentity } from './test-identity.ts';
import type { Mailbox, Person, PersonOptions, TestAuth } from './test-identity.ts';
import type { MailTransport } from '../../identity/mail/transport.ts';
import type { Identity } from '../../identity/identity.ts';
import { withLocalFallback } from '../../limits/auth-limits.ts';
import { pino } from 'pino';

export const TEST_KEYRING: Keyring = [parseKek(`kek-v1:${Buffer.alloc(32, 7).toString('base64')}`)];

/** A wire value that a test looks into, member by member. */
export interface Wire {
  readonly [member: string]: Wire;
}

/** The text that a member must be. */
export function textOf(member: unknown): string {
  if (typeof member !== 'string') throw new Error(`expected a text, received ${JSON.stringify(member)}`);
  return member;
}

/** The list that a member must be. */
export function rowsOf(member: unknown): Wire[] {
  if (!Array.isArray(member)) throw new Error(`expected a list, received ${JSON.stringify(member)}`);
  return member as Wire[];
}

export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  /** The parsed body, or undefined when it is no JSON. */
  json: Wire;
}

export interface TestApp {
  /** `http://127.0.0.1:port`, without the API prefix. */
  url: string;
  db: Database;
  fixture: EngineFixture;
  identity: Identity;
  /** What the identity of the application has sent. */
  mailbox: Mailbox;
  /** Somebody who is logged in; for `auth: 'full'`. */
  person(options?: PersonOptions): Promise<Person>;
  /** `path` starts below the API prefix: `/v1/...`; text and bytes are sent as they are, anything else as JSON. */
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  /** Rows of every table of the schema, for "nothing changed". */
  rowCounts(): Promise<Record<string, number>>;
  close(): Promise<void>;
}

export interface TestAppOptions {
  keyring?: Keyring;
  grade?: Grade;
  fallbackKeys?: FallbackKeys;
  limits?: AppSettings['limits'];
  tokens?: Partial<AppSettings['tokens']>;
  rates?: Partial<AppSettings['rates']>;
  organizations?: Partial<AppSettings['organizations']>;
  loginProviders?: AppSettings['loginProviders'];
  organizationsClosed?: AppDeps['organizationsClosed'];
  limiter?: Limiter;
  browsers?: AppSettings['browsers'];
  /** Where the built pages are. */
  uiDirectory?: string;
  apiPrefix?: string;
  /** Where people and clients reach it, when that is not where it listens. */
  publicUrl?: string;
  waiter?: TurnWaiter;
  authenticate?: Authenticate;
  /** Who may call; default `none`. In mode `admin` it is admin@example.com. */
  auth?: TestAuth;
  /** Milliseconds between attempts to send a mail. */
  mailRetryMs?: readonly number[];
  mailTransport?: MailTransport;
  /** The clock of access tokens. */
  now?: () => Date;
  /** Routes that other parts of the server bring. */
  plugins?: (fixture: EngineFixture) => AppDeps['plugins'];
  feed?: Pick<CommitFeed, 'committed'>;
  memorySync?: Pick<MemorySync, 'fetch'>;
  /** Instead of the product's own. */
  capabilities?: readonly Capability[];
  /** Agents that are there from the start; default none. */
  examples?: readonly AgentExample[];
}

/** The real application on a socket, with a real engine and a real database; every response is checked against its schema. */
export async function testApp(options: TestAppOptions = {}): Promise<TestApp> {
  const fixture = await engineFixture();
  const { db, engine } = fixture;
  const grade = options.grade ?? 'dev';
  const registry = createCapabilityRegistry(withAnnounced(options.capabilities ?? builtInCapabilities));
  await provisionAll(db, grade, offeredExamples(options.examples ?? [], { registry, grade }));
  const apiPrefix = options.apiPrefix ?? '/api';
  let url = '';
  const ids = createIdSource();
  const limiter = options.limiter ?? createMemoryLimiter({ nowMs: () => performance.now() });
  const sent = mailbox();
  const identity = await testIdentity({
    db,
    ids,
    auth: options.auth ?? 'none',
    limiter: withLocalFallback(limiter, createMemoryLimiter({ nowMs: () => performance.now() })),
    transport: options.mailTransport ?? sent,
    publicUrl: () => options.publicUrl ?? url,
    ...(options.browsers !== undefined && { corsOrigins: options.browsers.corsOrigins }),
    ...(options.now !== undefined && { now: options.now }),
    ...(options.mailRetryMs !== undefined && { mailRetryMs: options.mailRetryMs }),
  });
  const app = await createApp({
    settings: {
      apiPrefix,
      publicUrl: () => options.publicUrl ?? url,
      health: { version: '0.0.0-test', authMode: identity.auth.mode, grade, runnerMode: 'workers' },
      resolution: { grade, fallbackKeys: options.fallbackKeys ?? {} },
      limits: options.limits ?? { harnesses: 0, agents: 0, sessions: 0 },
      tokens: { perUser: 0, serviceAccountsPerOrg: 0, ...options.tokens },
      organizations: { organizationsPerUser: 0, membersPerOrg: 0, ...options.organizations },
      ...(options.loginProviders !== undefined && { loginProviders: options.loginProviders }),
      schedules: SCHEDULE_LIMITS,
      uiDirectory: options.uiDirectory ?? null,
      browsers: options.browsers ?? { corsOrigins: [], isHttpsOnly: false },
      rates: { apiPerMinute: 0, sessionsPerMinute: 0, organizationsPerHour: 0, proxyHops: 1, ...options.rates },
      checkResponses: true,
    },
    db,
    ids,
    identity,
    vault: createVault({ db, keyring: options.keyring ?? TEST_KEYRING }),
    capabilities: registry,
    turns: engine.turns,
    tasks: engine.tasks,
    catalogues: engine.catalogues,
    waiter: options.waiter ?? neverEnding,
    feed: options.feed ?? { committed: () => undefined },
    ...(options.memorySync === undefined ? {} : { memorySync: options.memorySync }),
    authenticate: options.authenticate ?? identity.authenticate,
    ...(options.organizationsClosed !== undefined && { organizationsClosed: options.organizationsClosed }),
    limiter,
    noise: () => Math.floor(Math.random() * 2 ** 31),
    logger: pino({ level: 'silent' }),
    plugins: options.plugins?.(fixture) ?? [],
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const address = app.server.address();
  url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
  return {
    url,
    db,
    fixture,
    identity,
    mailbox: sent,
    person: (person) => makePerson({ db, ids, identity }, person),
    call: (method, path, body, headers) => callApi(`${url}${apiPrefix}${path}`, { method, body, headers }),
    rowCounts: () => rowCounts(db),
    async close() {
      await app.close();
      await identity.stop();
      await fixture.close();
    },
  };
}

const neverEnding: TurnWaiter = {
  open: async () => ({ ended: async () => ({ status: 'running' }), close: () => undefined }),
};

interface Call {
  method: string;
  body: unknown;
  headers: Record<string, string> | undefined;
}

async function callApi(url: string, { method, body, headers }: Call): Promise<Answer> {
  const raw = typeof body === 'string' || body instanceof Uint8Array ? body : null;
  const response = await fetch(url, {
    method,
    headers: { ...(body === undefined || raw !== null ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(body === undefined ? {} : { body: raw ?? JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, json: parsed(text) as Wire };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // not every answer is JSON
  }
}

/** Of all tables but the one into which the instance adds up its figures from time to time. */
async function rowCounts(db: Database): Promise<Record<string, number>> {
  const tables = await db.run<{ name: string }>({
    name: 'test_tables',
    text: `select table_name as name from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE' and table_name <> 'engine_totals' order by 1`,
  });
  const all = tables.map(({ name }) => `select '${name}' as name, count(*) as n from ${name}`).join(' union all ');
  const rows = await db.run<{ name: string; n: number }>({ name: `test_counts_${tables.length}`, text: all });
  return Object.fromEntries(rows.map(({ name, n }) => [name, n]));
}
