import { randomBytes } from 'node:crypto';
import { createServer, request as httpRequest } from 'node:http';
import type { Server } from 'node:http';
import { agree, openBrowser } from '@everruns/server/oauth/testing/browser';
import { clientMemory, connected, transportOf, UnauthorizedError } from '@everruns/server/oauth/testing/sdk-client';
import type { Client } from '@everruns/server/oauth/testing/sdk-client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { compose, type Composition } from './composition.ts';

const EMAIL = 'operator@example.test';
const PASSWORD = 'correct horse battery 1';
const PATIENCE_MS = 15_000;

let composition: Composition;
let balancer: Server;
let url: string;
/** Requests that each control plane was given. */
let served: number[];

/** Gives every request to the next control plane, as a load balancer without any affinity does. */
beforeAll(async () => {
  let targets: string[] = [];
  let next = 0;
  balancer = createServer((request, response) => {
    const at = next++ % targets.length;
    served[at] = (served[at] ?? 0) + 1;
    const { hostname, port } = new URL(targets[at] ?? '');
    const onward = httpRequest({ hostname, port, path: request.url, method: request.method, headers: request.headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    request.pipe(onward);
  });
  await new Promise<void>((resolve) => balancer.listen(0, '127.0.0.1', resolve));
  const address = balancer.address();
  url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
  composition = await compose({
    servers: 3,
    serverEnv: {
      AUTH_MODE: 'full',
      AUTH_JWT_SECRET: randomBytes(32).toString('hex'),
      AUTH_ADMIN_EMAIL: EMAIL,
      AUTH_ADMIN_PASSWORD: PASSWORD,
      PUBLIC_APP_URL: url,
    },
  });
  targets = composition.apis.map((api) => api.url);
  served = [];
});
afterAll(async () => {
  balancer.closeAllConnections();
  balancer.close();
  await composition.close();
});

async function callTool(client: Client, name: string, input: Record<string, unknown>): Promise<Record<string, unknown>> {
  const { structuredContent, isError } = await client.callTool({ name, arguments: input });
  expect([name, isError ?? false, isError === true ? structuredContent : null]).toEqual([name, false, null]);
  return structuredContent as Record<string, unknown>;
}

test('the official client is let in through login and consent, runs an agent and goes on when its access has run out, on any of three instances', async () => {
  const memory = clientMemory();
  const first = transportOf(url, memory);
  await expect(connected(first)).rejects.toThrow(UnauthorizedError);
  const browser = openBrowser(url);
  const consent = (await browser.get(String(memory.wanted))).location ?? '';
  const login = (await browser.get(consent)).location ?? '';
  const returnTo = new URL(login, url).searchParams.get('return_to') ?? '';
  expect((await browser.get(login)).text).toContain(returnTo);
  const loggedIn = await browser.post('/login', { email: EMAIL, password: PASSWORD, return_to: returnTo });
  expect([loggedIn.status, loggedIn.text]).toEqual([200, expect.stringContaining(`url=${returnTo}`)]);
  const back = await agree(browser, String(memory.wanted));
  await first.finishAuth(back.searchParams.get('code') ?? '');
  const client = await connected(transportOf(url, memory));
  await client.listTools();
  const { operations } = await callTool(client, 'discover', { search: 'create agent' });
  expect(operations).toContainEqual(expect.objectContaining({ operation: 'createAgent' }));
  await callTool(client, 'execute', { operation: 'createAgent', body: { name: 'helper', system_prompt: 'You help.' } });
  const { session_id: sessionId } = await callTool(client, 'agent_run', { agent_name: 'helper', message: 'hello' });
  const access = memory.kept?.access_token;
  await composition.db.run({ name: 'expire_all', text: `update oauth_tokens set expires_at = now() where kind = 'AccessToken'` });
  const answered = await until(client, String(sessionId));
  expect(answered).toMatchObject({ status: 'idle', activity: 'completed' });
  expect(String(answered['latest_output']).length).toBeGreaterThan(0);
  expect(memory.kept?.access_token).not.toBe(access);
  await callTool(client, 'session_send_message', { session_id: sessionId, message: 'and again' });
  const since = { session_id: sessionId, since_event_id: answered['last_event_id'], event_types: ['input.message'] };
  expect((await callTool(client, 'session_get_status', since))['events']).toHaveLength(1);
  await client.close();
  expect(Math.min(...served)).toBeGreaterThan(3);
});

/** Polls, as the client is told to. */
async function until(client: Client, session_id: string): Promise<Record<string, unknown>> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const status = await callTool(client, 'session_get_status', { session_id });
    if (status['status'] === 'idle' || performance.now() > deadline) return status;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
