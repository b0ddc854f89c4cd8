import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { openDatabase } from '@everruns/storage';
import type { Database } from '@everruns/storage';
import { freePort } from '@everruns/testing/free-port';
import { testDatabase } from '@everruns/testing/postgres';
import type { TestDatabase } from '@everruns/testing/postgres';
import { SMTPServer } from 'smtp-server';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));
const SECRET = 'a secret of more than thirty-two bytes';
const PASSWORD = 'correct horse 1';

let database: TestDatabase;
let db: Database;
const children: ChildProcess[] = [];

beforeAll(async () => {
  database = await testDatabase();
  db = openDatabase(database.settings);
});
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  }
});
afterAll(async () => {
  await db.close();
  await database.drop();
});

function run(env: Record<string, string>): ChildProcess {
  const common = { PATH: process.env['PATH'] ?? '', DATABASE_URL: database.url, LOG_LEVEL: 'silent' };
  const cache = process.env['NODE_COMPILE_CACHE'];
  const child = spawn(process.execPath, [MAIN], {
    env: { ...common, ...(cache !== undefined && { NODE_COMPILE_CACHE: cache }), ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  children.push(child);
  return child;
}

/** A control plane that serves. */
async function serving(env: Record<string, string>): Promise<{ url: string; child: ChildProcess }> {
  const port = await freePort();
  const child = run({ DEV_MODE: 'true', HTTP_ADDR: `127.0.0.1:${port}`, ...env });
  const url = `http://127.0.0.1:${port}`;
  await until(async () => (await fetch(`${url}/health`).catch(() => null))?.ok === true);
  return { url, child };
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  const patience = performance.now() + 60_000;
  while (!(await isSo())) {
    if (performance.now() > patience) throw new Error('It did not come about.');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL');
  await once(child, 'exit');
}

const call = (url: string, method: string, path: string, { body, token }: { body?: unknown; token?: string } = {}): Promise<Response> =>
  fetch(`${url}/api/v1${path}`, {
    method,
    headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...(token !== undefined && { authorization: token }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });

test.each([
  [
    'with mode none outside grade dev',
    { DEPLOYMENT_GRADE: 'prod', AUTH_MODE: 'none' },
    /^Wrong setting: AUTH_MODE: none is refused outside grade dev\.$/m,
  ],
  ['with a misspelt mode', { DEV_MODE: 'true', AUTH_MODE: 'nome' }, /^Wrong setting: AUTH_MODE: .*$/m],
])('a control plane does not start %s', async (_name, env, line) => {
  const child = run(env as Record<string, string>);
  let errors = '';
  child.stderr?.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number];
  expect({ code, errors }).toEqual({ code: 1, errors: expect.stringMatching(line) as unknown });
});

test('tokens of the anonymous user are gone when the database is served in another mode', async () => {
  const open = await serving({ AUTH_MODE: 'none' });
  const made = await call(open.url, 'POST', '/auth/personal-access-tokens', { body: { name: 'all', all_organizations: true } });
  expect(made.status).toBe(201);
  const { key } = (await made.json()) as { key: string };
  await kill(open.child);
  const admin = { AUTH_ADMIN_EMAIL: 'boss@example.com', AUTH_ADMIN_PASSWORD: PASSWORD };
  const closed = await serving({ AUTH_MODE: 'full', AUTH_JWT_SECRET: SECRET, ...admin });
  expect(await (await fetch(`${closed.url}/health`)).json()).toMatchObject({ auth_mode: 'full' });
  expect((await call(closed.url, 'GET', '/auth/me', { token: key })).status).toBe(401);
  expect((await call(closed.url, 'GET', '/agents')).status).toBe(401);
  expect(await db.run({ name: 't_tokens', text: 'select 1 from personal_access_tokens' })).toEqual([]);
  const login = await call(closed.url, 'POST', '/auth/login', { body: { email: 'boss@example.com', password: PASSWORD } });
  const { access_token } = (await login.json()) as { access_token: string };
  expect((await call(closed.url, 'GET', '/durable/health', { token: `Bearer ${access_token}` })).status).toBe(200);
});

/** Takes connections and says nothing. */
async function silentServer(): Promise<{ server: Server; sockets: Set<Socket>; port: number }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, sockets, port: (server.address() as AddressInfo).port };
}

test('a control plane that is killed between the answer and the mail has lost none: the next one sends it', async () => {
  const silent = await silentServer();
  const env = { AUTH_MODE: 'full', AUTH_JWT_SECRET: SECRET, EMAIL_FROM: 'no-reply@example.com' };
  const first = await serving({ ...env, SMTP_URL: `smtp://127.0.0.1:${silent.port}` });
  const body = { email: 'new@example.com', password: PASSWORD, name: 'New' };
  expect((await call(first.url, 'POST', '/auth/register', { body })).status).toBe(200);
  await until(() => silent.sockets.size > 0);
  await kill(first.child);
  silent.server.close();

  const letters: string[] = [];
  const mails = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    onData(stream, _session, done) {
      let text = '';
      stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
      stream.on('end', () => {
        letters.push(text);
        done();
      });
    },
  });
  const listening = mails.listen(silent.port, '127.0.0.1');
  await once(listening, 'listening');
  // The dead one had it in hand for some minutes.
  await db.run({ name: 't_later', text: `update mail_outbox set due_at = due_at - interval '1 hour'` });
  const second = await serving({ ...env, SMTP_URL: `smtp://127.0.0.1:${silent.port}` });
  await until(() => letters.length > 0);
  const text = (letters[0] ?? '').replaceAll('=\r\n', '').replaceAll('=3D', '=');
  const token = /verify-email\?token=([0-9a-f]{64})/.exec(text)?.[1];
  expect((await call(second.url, 'POST', '/auth/verify-email', { body: { token } })).status).toBe(200);
  expect((await call(second.url, 'POST', '/auth/login', { body: { email: body.email, password: PASSWORD } })).status).toBe(200);
  expect(letters).toHaveLength(1);
  await new Promise<void>((resolve) => mails.close(() => resolve()));
});
