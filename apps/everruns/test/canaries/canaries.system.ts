import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { startLocalServer } from '@everruns/mcp/testing/local-server';
import type { LocalServer } from '@everruns/mcp/testing/local-server';
import { startWireSimulator } from '@everruns/providers/testing/wire-simulator';
import type { WireSimulator } from '@everruns/providers/testing/wire-simulator';
import { openDatabase } from '@everruns/storage';
import type { Database } from '@everruns/storage';
import { freePort } from '@everruns/testing/free-port';
import { testDatabase } from '@everruns/testing/postgres';
import type { TestDatabase } from '@everruns/testing/postgres';
import { superviseProcess } from '@everruns/testing/supervised-process';
import type { SupervisedProcess } from '@everruns/testing/supervised-process';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { useAccounts } from './accounts.ts';
import type { CallOptions, Json } from './accounts.ts';
import { startMailSink } from './mail-sink.ts';
import type { MailSink } from './mail-sink.ts';
import { foundIn, foundInTables, startReceiver, tapOf } from './places.ts';

/**
 * One secret of its own in every place that takes one, used as people use it and as it fails; then everything that the product writes, stores, answers and
 * sends is searched for them.
 */
const KEK = Buffer.from('canary-kek-0123456789abcdef-kek!');
const SECRETS = new Map<string, string>([
  ['provider key', 'canary-provider-key-3f1a'],
  ['wrong provider key', 'canary-wrong-key-7c20'],
  ['malformed provider key', 'canary-malformed-key-11d9'],
  ['MCP key', 'canary-mcp-key-52bb'],
  ['MCP header', 'canary-mcp-header-a904'],
  ['MCP header of a session', 'canary-scoped-header-e6d2'],
  ['session secret', 'canary-session-secret-0b77'],
  ['webhook secret', 'canary-webhook-secret-d41f'],
  ['user connection', 'canary-connection-9a38'],
  ['worker token', 'canary-worker-token-c2e5-0123456789'],
  ['key-encryption key', KEK.toString('utf8')],
  ['secret of access tokens', 'canary-jwt-secret-1b8e-0123456789abcdef'],
  ['password', 'canary-password-77'],
  ['wrong password', 'canary-wrong-password-78'],
  ["guest's password", 'canary-guest-password-79'],
  ["guest's new password", 'canary-guest-password-80'],
  ['password of the mail server', 'canary-smtp-password-31'],
  ['secret at a provider of logins', 'canary-google-secret-64'],
  ['token that is none', `evr_pat_${'canary00'.replace(/[^0-9a-f]/g, 'a').repeat(8)}`],
]);
const secretOf = (name: string): string => SECRETS.get(name) ?? '';
/** What workers act with; nothing asks for the secrets of the session here. */
const FOR_WORKERS = ['provider key', 'wrong provider key', 'MCP key', 'MCP header', 'MCP header of a session'];

const require = createRequire(import.meta.url);
const entryOf = (name: string): string => join(dirname(require.resolve(name)), 'main.ts');

let home: string;
let database: TestDatabase;
let db: Database;
let simulator: WireSimulator;
let mcp: LocalServer;
let sink: MailSink;
let receiver: Awaited<ReturnType<typeof startReceiver>>;
let tap: Awaited<ReturnType<typeof tapOf>>;
let server: SupervisedProcess;
let worker: SupervisedProcess;
let url: string;
/** Every answer, with its headers, and every stream. */
const answered: string[] = [];

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'everruns-canaries-'));
  database = await testDatabase();
  db = openDatabase({ ...database.settings, poolSize: 2 });
  simulator = await startWireSimulator();
  sink = await startMailSink();
  receiver = await startReceiver();
  mcp = await startLocalServer({
    // A server that says aloud what it was sent.
    'tools/call': (_message, { request, response }) => void response.writeHead(500).end(JSON.stringify(request.headers)),
  });
  const [http, grpc] = [await freePort(), await freePort()];
  tap = await tapOf(grpc);
  url = `http://127.0.0.1:${http}/api`;
  const common = {
    PATH: process.env['PATH'] ?? '',
    HOME: home,
    DEPLOYMENT_GRADE: 'dev',
    LOG_LEVEL: 'trace',
    WORKER_GRPC_AUTH_TOKEN: secretOf('worker token'),
  };
  server = superviseProcess({
    name: 'server',
    entry: entryOf('@everruns/server'),
    logFile: join(home, 'server.log'),
    env: {
      ...common,
      AUTH_MODE: 'full',
      AUTH_JWT_SECRET: secretOf('secret of access tokens'),
      AUTH_ADMIN_EMAIL: 'operator@example.com',
      AUTH_ADMIN_PASSWORD: secretOf('password'),
      AUTH_GOOGLE_CLIENT_ID: 'canary',
      AUTH_GOOGLE_CLIENT_SECRET: secretOf('secret at a provider of logins'),
      SMTP_URL: `smtp://canary:${secretOf('password of the mail server')}@127.0.0.1:${sink.port}`,
      EMAIL_FROM: 'Everruns <no-reply@example.com>',
      DATABASE_URL: database.url,
      SECRETS_ENCRYPTION_KEY: `kek-v1:${KEK.toString('base64')}`,
      HTTP_ADDR: `127.0.0.1:${http}`,
      WORKER_GRPC_ADDR: `127.0.0.1:${grpc}`,
    },
    ready: () => answers(`http://127.0.0.1:${http}/health`),
  });
  await server.whenReady();
  worker = superviseProcess({
    name: 'worker',
    entry: entryOf('@everruns/worker'),
    logFile: join(home, 'worker.log'),
    env: { ...common, WORKER_GRPC_ADDRESS: `127.0.0.1:${tap.port}` },
    ready: async () => (await workersRunning(db)) > 0,
  });
  await worker.whenReady();
});
afterAll(async () => {
  receiver?.close();
  sink?.close();
  await worker?.stop();
  await server?.stop();
  await tap?.close();
  await mcp?.stop();
  await simulator?.close();
  await db?.close();
  await database?.drop();
  await rm(home, { recursive: true, force: true });
});

async function answers(address: string): Promise<boolean> {
  return (await fetch(address).catch(() => null))?.ok === true;
}

async function workersRunning(on: Database): Promise<number> {
  return (await on.run({ name: 'canary_workers', text: 'select 1 from workers' })).length;
}

/** Of the operator, once there is a token. */
let own: Record<string, string> = {};

async function call(method: string, path: string, body?: unknown, { headers, shows }: CallOptions = {}): Promise<Json> {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...(headers ?? own) },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  if (shows !== true) answered.push(`${method} ${response.status} ${JSON.stringify([...response.headers])} ${text}`);
  const isObject = response.headers.get('content-type')?.includes('json') === true && !path.endsWith('/export') && text.startsWith('{');
  return isObject ? (JSON.parse(text) as Json) : {};
}

function keep(name: string, secret: unknown): string {
  if (typeof secret !== 'string' || secret.length < 12) throw new Error(`no ${name}: ${JSON.stringify(secret)}; last: ${answered.at(-1)}`);
  SECRETS.set(name, secret);
  return secret;
}

async function made(path: string, body: unknown): Promise<string> {
  const { id } = await call('POST', path, body);
  if (typeof id !== 'string') throw new Error(answered.at(-1));
  return id;
}

/** Says something, and keeps the stream of its turn to the end. */
async function say(session: string, text: string): Promise<void> {
  const stream = await fetch(`${url}/v1/sessions/${session}/sse?live=true`, { headers: own });
  const reader = (stream.body as ReadableStream<Uint8Array>).getReader();
  await call('POST', `/v1/sessions/${session}/messages`, {
    message: { content: [{ type: 'text', text }] },
    controls: { error_disclosure: 'detailed' },
  });
  let seen = '';
  while (!seen.includes('event: session.idled')) {
    const { value, done } = await reader.read();
    if (done) break;
    seen += Buffer.from(value).toString();
  }
  await reader.cancel();
  answered.push(seen);
}

/** Everything that takes a secret, well and badly. */
async function useThemAll(): Promise<void> {
  const key = secretOf('provider key');
  const wrong = secretOf('wrong provider key');
  const malformed = secretOf('malformed provider key');
  await call('POST', '/v1/user/connections/github', { api_key: secretOf('user connection') });
  const address = { provider_type: 'openai', base_url: simulator.baseUrl('responses') };
  const provider = await made('/v1/providers', { name: 'good', ...address, api_key: key });
  const model = await made(`/v1/providers/${provider}/models`, { model_id: 'gpt-5.4-mini', display_name: 'M' });
  const webhook = await made('/v1/task-webhooks', { url: receiver.url, secret: secretOf('webhook secret') });
  const registered = await made('/v1/mcp-servers', {
    name: 'loud',
    url: mcp.url,
    api_key: secretOf('MCP key'),
    headers: { 'X-Team': secretOf('MCP header') },
  });
  const session = await made('/v1/sessions', {
    model_id: model,
    capabilities: [{ ref: `mcp:${registered}` }, { ref: 'session_storage' }, { ref: 'subagents' }],
    mcpServers: { scoped: { type: 'http', url: mcp.url, headers: { authorization: `Bearer ${secretOf('MCP header of a session')}` } } },
  });
  await call('PUT', `/v1/sessions/${session}/storage/secrets`, { secrets: { canary: secretOf('session secret') } });
  simulator.script(
    { text: 'Hello.' },
    { toolCalls: [{ name: 'mcp_loud__book', arguments: {} }] },
    { text: 'It failed.' },
    { toolCalls: [{ name: 'mcp_scoped__book', arguments: {} }] },
    { text: 'That too.' },
    { error: { status: 401, message: `Incorrect API key provided: ${key}. Authorization: Bearer ${key}` } },
  );
  for (const text of ['Hello', 'Book', 'Book there', 'Fail']) await say(session, text);
  const dig = { name: 'Digger', instructions: 'Dig.', mode: 'foreground' };
  simulator.script({ toolCalls: [{ name: 'spawn_agent', arguments: dig }] }, { text: 'Dug.' }, { text: 'Good.' });
  await say(session, 'Have somebody dig');
  while (receiver.signatures.length === 0) await new Promise((resolve) => setTimeout(resolve, 25));
  await call('PATCH', `/v1/providers/${provider}`, { api_key: wrong });
  simulator.script({ error: { status: 403, body: `<html>${wrong} is not welcome</html>` } });
  await say(session, 'With a wrong key');
  await call('POST', '/v1/providers/check-credentials', { ...address, api_key: wrong });
  await call('POST', `/v1/providers/${provider}/sync-models`);
  // What cannot be taken is answered without being repeated.
  await call('POST', '/v1/providers', { name: 'bad', provider_type: 'openai', api_key: { value: malformed } });
  await call('POST', '/v1/providers', { name: 'bad', provider_type: 'no type', api_key: malformed });
  await call('POST', '/v1/providers', `{"name":"bad","api_key":"${malformed}",}`);
  await call('PATCH', `/v1/mcp-servers/${registered}`, { headers: { 'X-Team': [malformed] } });
  await call('PATCH', `/v1/mcp-servers/${registered}`, { headers: { 'X-Team': `${malformed}\n` } });
  await call('PUT', `/v1/sessions/${session}/storage/secrets`, { secrets: { canary: { deep: malformed } } });
  await call('PATCH', `/v1/task-webhooks/${webhook}`, { secret: [malformed] });
  await call('POST', '/v1/user/connections/github', { api_key: [malformed] });
  const token = secretOf('token that is none');
  for (const authorization of [token, `Bearer ${token}`, `ApiKey ${token}`])
    await call('GET', '/v1/auth/me', undefined, { headers: { authorization } });
  await readThemAll(session, { provider, registered, webhook });
}

/** Whatever tells of what has been kept. */
async function readThemAll(session: string, { provider, registered, webhook }: Record<string, string>): Promise<void> {
  for (const path of [
    `/v1/providers/${provider}`,
    '/v1/providers',
    `/v1/mcp-servers/${registered}`,
    '/v1/mcp-servers',
    `/v1/task-webhooks/${webhook}`,
    '/v1/user/connections',
    `/v1/sessions/${session}`,
    `/v1/sessions/${session}/storage/secrets`,
    `/v1/sessions/${session}/events?limit=1000`,
    `/v1/sessions/${session}/messages`,
    `/v1/sessions/${session}/export`,
    `/v1/sessions/${session}/preview`,
    `/v1/sessions/${session}/context-report`,
    '/v1/durable/health',
    '/v1/durable/workers',
    '/v1/durable/dlq',
    '/v1/usage',
  ]) {
    await call('GET', path);
  }
  const fork = await made(`/v1/sessions/${session}/fork`, {});
  await call('GET', `/v1/sessions/${fork}/events`);
}

test('no secret is in a log, an answer, a stream, a table, or a message to workers that do not need it', async () => {
  own = await useAccounts({ root: url.replace(/\/api$/, ''), call, keep, secretOf, sink });
  await useThemAll();
  expect(simulator.requests.map(({ headers }) => headers['authorization'])).toContain(`Bearer ${secretOf('provider key')}`);
  expect(receiver.signatures[0]).toMatch(/^v1,/);
  expect(mcp.seen.map(({ headers }) => headers['x-team'])).toContain(secretOf('MCP header'));
  expect(mcp.seen.map(({ headers }) => headers.authorization)).toContain(`Bearer ${secretOf('MCP header of a session')}`);
  await worker.stop();
  await server.stop();
  const logs = `${await readFile(join(home, 'server.log'), 'utf8')}${await readFile(join(home, 'worker.log'), 'utf8')}`;
  expect(logs).toContain('control plane is up');
  expect(foundIn(logs, SECRETS)).toEqual([]);
  expect(answered.filter((text) => foundIn(text, SECRETS).length > 0).map((text) => [foundIn(text, SECRETS), text])).toEqual([]);
  expect(await foundInTables(db, new Map([['an address', 'guest@example.com']]))).toContain('users: an address');
  expect(await foundInTables(db, SECRETS)).toEqual([]);
  expect(foundIn(tap.passed(), SECRETS)).toEqual(FOR_WORKERS);
});
