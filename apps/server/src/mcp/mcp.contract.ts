import { DEFAULT_ORG_ID, toPublicId } from '@everruns/contract';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { provisionOrganization } from '@everruns/storage';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SUMMARIZED } from '../http/operation-summaries.ts';
import { streamsAndMonitoring } from '../http/testing/all-routes.ts';
import { testApp, textOf } from '../http/testing/test-app.ts';
import type { TestApp } from '../http/testing/test-app.ts';
import { provisionPlan } from '../services/provisioning.ts';
import { ALICE, BOB, BOTH, OTHER_ORG, standIn } from './testing/stand-in.ts';

const FIRST = toPublicId('organization', DEFAULT_ORG_ID);
const SECOND = toPublicId('organization', OTHER_ORG);

let app: TestApp;
let bait: { agent: string; session: string };

beforeAll(async () => {
  app = await testApp({ authenticate: standIn, plugins: streamsAndMonitoring, rates: { apiPerMinute: 100_000 } });
  await app.db.run({ name: 'other_org', text: `insert into organizations (id, name) values ($1, 'Other')` }, [OTHER_ORG]);
  await app.db.transaction((tx) => provisionOrganization(tx, provisionPlan(OTHER_ORG, 'dev')));
  for (const [id, name] of [
    [ALICE, 'alice'],
    [BOB, 'bob'],
    [BOTH, 'both'],
  ] as const) {
    await app.db.run({ name: 'mcp_user', text: `insert into users (id, email, name) values ($1, $2, $3)` }, [
      id,
      `${name}@example.test`,
      name,
    ]);
  }
  const member = { name: 'mcp_member', text: `insert into org_members (org_id, user_id, role) values ($1, $2, 'owner')` };
  for (const [org, user] of [
    [DEFAULT_ORG_ID, ALICE],
    [DEFAULT_ORG_ID, BOTH],
    [OTHER_ORG, BOTH],
    [OTHER_ORG, BOB],
  ])
    await app.db.run(member, [org, user]);
  const asBob = { authorization: 'Bearer bob' };
  const agent = await app.call('POST', '/v1/agents', { name: 'bait-agent', system_prompt: 'BAIT' }, asBob);
  const session = await app.call('POST', '/v1/sessions', { agent_name: 'bait-agent', title: 'BAIT' }, asBob);
  bait = { agent: textOf(agent.json['id']), session: textOf(session.json['id']) };
  expect(bait.session).toMatch(/^session_/);
});
afterAll(async () => {
  for (const client of clients.values()) await (await client).close();
  await app.close();
});

const READING_POSTS = `dryRunGuardrails grepMemoryFiles grepSessionFiles grepWorkspaceFiles previewAgent previewHarness previewSession
  searchKnowledgeBase statMemoryFile statSessionFile statWorkspaceFile validateSkill`.split(/\s+/);

async function connect(token: string): Promise<Client> {
  const client = new Client({ name: 'test', version: '1' });
  const headers = { authorization: `Bearer ${token}` };
  await client.connect(new StreamableHTTPClientTransport(new URL(`${app.url}/mcp`), { requestInit: { headers } }));
  return client;
}

interface Called {
  isError?: boolean;
  structuredContent: Record<string, unknown>;
}

const clients = new Map<string, Promise<Client>>();

/** Of a client that has listed the tools, so that it checks what it gets. */
async function callTool(token: string, name: string, input: Record<string, unknown> = {}): Promise<Called> {
  const client = clients.get(token) ?? listed(token);
  clients.set(token, client);
  return (await (await client).callTool({ name, arguments: input })) as unknown as Called;
}

async function listed(token: string): Promise<Client> {
  const client = await connect(token);
  await client.listTools();
  return client;
}

const run = (token: string, tool: 'query' | 'execute', operation: string, rest: Record<string, unknown> = {}): Promise<Called> =>
  callTool(token, tool, { operation, ...rest });

interface Sent {
  body?: unknown;
  headers?: Record<string, string>;
  method?: string;
}

function send({ body = { jsonrpc: '2.0', id: 1, method: 'tools/list' }, headers = {}, method = 'POST' }: Sent): Promise<Response> {
  return fetch(`${app.url}/mcp`, {
    method,
    headers: {
      authorization: 'Bearer alice',
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...headers,
    },
    ...(method === 'POST' ? { body: typeof body === 'string' ? body : JSON.stringify(body) } : {}),
  });
}

describe('the protocol', () => {
  test('the official client lists tools with schemas and hints, resources and templates', async () => {
    const client = await connect('alice');
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toEqual([
      'me',
      'list_organizations',
      'agent_run',
      'session_send_message',
      'session_get_status',
      'discover',
      'query',
      'execute',
    ]);
    for (const tool of tools)
      expect([tool.name, tool.outputSchema?.type, typeof tool.annotations?.readOnlyHint]).toEqual([tool.name, 'object', 'boolean']);
    expect(tools.find(({ name }) => name === 'execute')?.annotations?.destructiveHint).toBe(true);
    expect((await client.listResources()).resources.map(({ uri }) => uri)).toContain('everruns://agents');
    expect((await client.listResourceTemplates()).resourceTemplates).toHaveLength(2);
    expect(client.getServerCapabilities()).toEqual({ tools: {}, resources: {} });
    await client.close();
  });

  test('requests need no initialize, get no session id, and are answered as JSON', async () => {
    const answer = await send({});
    expect([answer.status, answer.headers.get('content-type')?.split(';')[0], answer.headers.get('mcp-session-id')]).toEqual([
      200,
      'application/json',
      null,
    ]);
    const old = await send({
      body: {
        jsonrpc: '2.0',
        id: 1,
        method: 'initialize',
        params: { protocolVersion: '2030-01-01', capabilities: {}, clientInfo: { name: 'x', version: '1' } },
      },
    });
    expect(((await old.json()) as { result: { protocolVersion: string } }).result.protocolVersion).toBe('2025-11-25');
    expect((await send({ body: { jsonrpc: '2.0', method: 'notifications/initialized' } })).status).toBe(202);
  });

  test.each([
    ['an unsupported version', { headers: { 'mcp-protocol-version': '1999-01-01' } }, 400],
    ['a forged origin', { headers: { origin: 'https://evil.example' } }, 403],
    ['the origin null', { headers: { origin: 'null' } }, 403],
    ['no credential', { headers: { authorization: '' } }, 401],
    ['a credential that nobody has', { headers: { authorization: 'Bearer nobody' } }, 401],
    ['GET', { method: 'GET' }, 405],
    ['DELETE', { method: 'DELETE' }, 405],
    ['no JSON', { body: '{' }, 400],
    ['JSON that is no message', { body: { hello: 1 } }, 400],
    ['null', { body: 'null' }, 400],
    ['an answer that cannot be JSON', { headers: { accept: 'text/html' } }, 406],
    ['another type of body', { headers: { 'content-type': 'text/plain' } }, 415],
    ['too long a body', { body: { jsonrpc: '2.0', id: 1, method: 'tools/list', params: { x: 'x'.repeat(1_100_000) } } }, 413],
    ['a batch that is too long', { body: Array.from({ length: 11 }, (_, id) => ({ jsonrpc: '2.0', id, method: 'ping' })) }, 400],
    [
      'a batch of a version without',
      { body: [{ jsonrpc: '2.0', id: 1, method: 'ping' }], headers: { 'mcp-protocol-version': '2025-06-18' } },
      400,
    ],
    ["a name of the method that is not the body's", { headers: { 'mcp-method': 'tools/call' } }, 400],
    ['a name of the tool where there is none', { headers: { 'mcp-name': 'me' } }, 400],
    ['the organization of somebody else', { headers: { 'x-org-id': SECOND } }, 404],
  ])('refuses %s', async (_what, sent, status) => {
    expect((await send(sent)).status).toBe(status);
  });

  test('a batch of an old client is answered whole; its own origin may call; a stranger hears where to get a token', async () => {
    const batch = await send({
      body: [
        { jsonrpc: '2.0', id: 1, method: 'ping' },
        { jsonrpc: '2.0', id: 2, method: 'ping' },
      ],
    });
    expect(await batch.json()).toHaveLength(2);
    expect((await send({ headers: { origin: app.url } })).status).toBe(200);
    const refused = await send({ headers: { authorization: 'Bearer nobody' } });
    expect(refused.headers.get('www-authenticate')).toBe(
      `Bearer realm="mcp", error="invalid_token", resource_metadata="${app.url}/.well-known/oauth-protected-resource/mcp"`,
    );
  });
});

describe('agents', () => {
  test('an agent is run, is sent another message, and tells how it goes on', async () => {
    await app.call('POST', '/v1/agents', { name: 'runner', system_prompt: 'x' }, { authorization: 'Bearer alice' });
    const { structuredContent: started } = await callTool('alice', 'agent_run', { agent_name: 'runner', message: 'hello', title: 'T' });
    expect(started).toMatchObject({
      status: 'started',
      session_id: expect.stringMatching(/^session_/),
      message_id: expect.stringMatching(/^message_/),
    });
    const session_id = started['session_id'];
    const { structuredContent: sent } = await callTool('alice', 'session_send_message', { session_id, message: 'and more' });
    expect(sent['status']).toBe('steered');
    const { structuredContent: status } = await callTool('alice', 'session_get_status', { session_id });
    expect(status).toMatchObject({ status: 'active', activity: 'running', title: 'T', has_more: false });
    const events = status['events'] as { id: string; type: string }[];
    expect(events.map(({ type }) => type)).toContain('input.message');
    const since = { session_id, since_event_id: events[0]?.id, event_types: ['input.message'], limit: 1 };
    const { structuredContent: later } = await callTool('alice', 'session_get_status', since);
    expect((later['events'] as unknown[]).length).toBe(1);
    expect(
      (await callTool('alice', 'session_get_status', { session_id, since_event_id: later['last_event_id'] })).structuredContent['events'],
    ).toHaveLength(
      events.findIndex(({ id }) => id === later['last_event_id']) < 0
        ? 0
        : events.length - 1 - events.findIndex(({ id }) => id === later['last_event_id']),
    );
  });

  test('a run that is asked for twice under one message id is one run, also at once', async () => {
    const input = { agent_name: 'runner', message: 'once', client_message_id: crypto.randomUUID() };
    const both = await Promise.all([callTool('alice', 'agent_run', input), callTool('alice', 'agent_run', input)]);
    const again = await callTool('alice', 'agent_run', input);
    const ids = new Set(
      [...both, again].map(
        ({ structuredContent }) => `${String(structuredContent['session_id'])} ${String(structuredContent['message_id'])}`,
      ),
    );
    expect(ids.size).toBe(1);
    expect(again.structuredContent['status']).toBe('duplicate');
    const listed = await app.call('GET', '/v1/sessions?agent_id=', undefined, { authorization: 'Bearer alice' });
    expect(listed.status).toBe(400);
  });

  test('what is wrong is told in a form that clients can act on', async () => {
    const nothing = await callTool('alice', 'agent_run', { message: 'x' });
    expect(nothing).toMatchObject({ isError: true, structuredContent: { code: 'invalid_request', category: 'input', retryable: false } });
    const unknown = await callTool('alice', 'session_get_status', { session_id: `session_${'0'.repeat(32)}` });
    expect(unknown).toMatchObject({ isError: true, structuredContent: { code: 'not_found', category: 'not_found' } });
    const typo = await callTool('alice', 'session_send_message', { session_id: 'x', message: '' });
    expect(typo.isError).toBe(true);
    const forbidden = await callTool('member', 'agent_run', { agent_name: 'runner', message: 'x', budget_limit: 5 });
    expect(forbidden).toMatchObject({ isError: true, structuredContent: { code: 'forbidden', category: 'auth' } });
  });

  test('a run can be given a budget of its own', async () => {
    const input = { agent_name: 'runner', message: 'x', budget_limit: 5, budget_soft_limit: 4 };
    const { structuredContent } = await callTool('alice', 'agent_run', input);
    const path = { id: String(structuredContent['session_id']) };
    const { structuredContent: listed } = await run('alice', 'query', 'listSessionBudgets', { path });
    expect(listed['body']).toMatchObject([{ subject_type: 'session', limit: 5, soft_limit: 4 }]);
  });

  test('resources are read as the caller', async () => {
    const client = await connect('alice');
    const { contents } = await client.readResource({ uri: 'everruns://agents' });
    expect(JSON.parse((contents[0] as { text: string }).text)).toMatchObject({ data: [{ name: 'runner' }] });
    await expect(client.readResource({ uri: `everruns://agents/${bait.agent}` })).rejects.toThrow(/agent/);
    await expect(client.readResource({ uri: 'file:///etc/passwd' })).rejects.toThrow(/no such resource/);
    await client.close();
  });
});

describe('the whole API', () => {
  test('operations are found by words, with their schemas when few are left', async () => {
    const { structuredContent: many } = await callTool('alice', 'discover', { search: 'session' });
    expect(many['total']).toBeGreaterThan(20);
    const { structuredContent: one } = await callTool('alice', 'discover', { operation: 'createSession' });
    expect(one).toMatchObject({
      total: 1,
      operations: [
        {
          operation: 'createSession',
          method: 'POST',
          path: '/v1/sessions',
          read_only: false,
          permission: 'org:sessions:manage',
          usage: 'body?: JSON',
        },
      ],
    });
    expect(Object.keys(one['schemas'] as object)).toContain('CreateSession');
    const { structuredContent: none } = await callTool('alice', 'discover', { search: 'nosuchthing' });
    expect(none['categories']).toContain('Sessions');
  });

  test('query reads, execute changes, and query changes nothing', async () => {
    const { structuredContent: made } = await run('alice', 'execute', 'createAgent', { body: { name: 'made', system_prompt: 'x' } });
    expect(made).toMatchObject({ status: 201, body: { name: 'made' } });
    const { structuredContent: read } = await run('alice', 'query', 'getAgent', { path: { id_or_name: 'made' } });
    expect(read).toMatchObject({ status: 200, body: { name: 'made' } });
    expect((await run('alice', 'query', 'previewAgent', { body: {} })).isError).toBeUndefined();
    const before = await app.rowCounts();
    for (const operation of ['createAgent', 'archiveAgent', 'deleteAgent', 'createSession', 'copyAgent']) {
      const refused = await run('alice', 'query', operation, { body: { name: 'no' }, path: { id_or_name: 'made' } });
      expect(refused).toMatchObject({ isError: true, structuredContent: { code: 'not_read_only' } });
    }
    expect(await app.rowCounts()).toEqual(before);
  });

  test('of the operations that are no GET, query runs those that were looked at and found to change nothing', async () => {
    const posts: string[] = [];
    for (let offset = 0, total = 1; offset < total; offset += 50) {
      const { structuredContent: page } = await callTool('alice', 'discover', { read_only: true, limit: 50, offset });
      total = page['total'] as number;
      const operations = page['operations'] as { operation: string; method: string }[];
      posts.push(...operations.filter(({ method }) => method !== 'GET').map(({ operation }) => operation));
    }
    expect(posts.sort()).toEqual(READING_POSTS);
  });

  test('what a tool result cannot carry is refused with the reason', async () => {
    for (const [operation, reason] of [
      ['streamEvents', 'stream'],
      ['uploadImage', 'file'],
      ['getImage', 'image/'],
      ['nosuch', 'no operation'],
    ] as const) {
      const refused = await run('alice', 'execute', operation, { path: { id: `session_${'0'.repeat(32)}` } });
      expect([refused.isError, String(refused.structuredContent['message'])]).toEqual([true, expect.stringContaining(reason)]);
    }
  });

  test('arguments that have no place, and paths that lead elsewhere, are refused', async () => {
    for (const rest of [
      { path: { id_or_name: '..' } },
      { path: {} },
      { path: { id_or_name: 'made', x: '1' } },
      { path: { id_or_name: 'made' }, query: { nope: 1 } },
      { path: { id_or_name: 'made' }, body: {} },
    ]) {
      expect((await run('alice', 'query', 'getAgent', rest)).isError).toBe(true);
    }
    const encoded = await run('alice', 'query', 'getAgent', { path: { id_or_name: '../sessions' } });
    expect(encoded).toMatchObject({ isError: true, structuredContent: { category: 'input' } });
  });

  test('a long answer is cut and says how to ask for less', async () => {
    await app.call('POST', '/v1/agents', { name: 'long', system_prompt: 'long '.repeat(20_000) }, { authorization: 'Bearer alice' });
    const { structuredContent: cut } = await run('alice', 'query', 'listAgents');
    expect(cut).toMatchObject({ status: 200, is_cut: true, note: expect.stringContaining('limit') });
    expect(Buffer.byteLength(String(cut['text']))).toBeLessThanOrEqual(65_536);
  });
});

describe('organizations', () => {
  test('a user of several works in the first one, or in the one that is named', async () => {
    const { structuredContent: me } = await callTool('both', 'me');
    expect(me).toMatchObject({ email: 'both@example.test', organization_id: FIRST });
    const { structuredContent: there } = await run('both', 'query', 'getAgent', {
      path: { id_or_name: 'bait-agent' },
      organization_id: SECOND,
    });
    expect(there).toMatchObject({ status: 200, body: { id: bait.agent } });
    const { structuredContent: all } = await callTool('both', 'list_organizations');
    expect((all['organizations'] as { organization_id: string }[]).map(({ organization_id }) => organization_id).sort()).toEqual(
      [FIRST, SECOND].sort(),
    );
  });

  test.each(['alice', 'both * bound'])('%s reaches nothing of the other one, by whatever tool', async (token) => {
    const session_id = bait.session;
    const missing = { session_id: `session_${'1'.repeat(32)}` };
    const at = (rest: object): Record<string, unknown> => ({ organization_id: SECOND, ...rest });
    const attempts: [string, Record<string, unknown>][] = [
      ['agent_run', { agent_id: bait.agent, message: 'x' }],
      ['agent_run', { agent_name: 'bait-agent', message: 'x' }],
      ['agent_run', at({ agent_id: bait.agent, message: 'x' })],
      ['session_send_message', { session_id, message: 'x' }],
      ['session_send_message', at({ session_id, message: 'x' })],
      ['session_get_status', { session_id }],
      ['session_get_status', at({ session_id })],
      ['me', at({})],
      ['query', { operation: 'getAgent', path: { id_or_name: bait.agent } }],
      ['query', at({ operation: 'getAgent', path: { id_or_name: bait.agent } })],
      ['query', at({ operation: 'listAgents' })],
      ['query', { operation: 'listMessages', path: { id: session_id } }],
      ['query', { operation: 'getOrganization', path: { id: SECOND } }],
      ['execute', { operation: 'updateSession', path: { id: session_id }, body: { title: 'taken' } }],
      ['execute', at({ operation: 'deleteSession', path: { id: session_id } })],
      ['execute', { operation: 'deleteSession', path: { id: session_id } }],
    ];
    const before = await app.rowCounts();
    for (const [tool, input] of attempts) {
      const { isError, structuredContent } = await callTool(token, tool, input);
      expect([tool, input['operation'], isError, structuredContent['category']]).toEqual([tool, input['operation'], true, 'not_found']);
      expect(JSON.stringify(structuredContent)).not.toContain('BAIT');
    }
    expect(await app.rowCounts()).toEqual(before);
    const [foreign, none] = [
      await callTool(token, 'session_get_status', { session_id }),
      await callTool(token, 'session_get_status', missing),
    ];
    expect(foreign).toEqual(none);
  });

  test('a token with fewer scopes has no more through tools', async () => {
    expect((await run('alice read', 'query', 'listAgents')).isError).toBeUndefined();
    expect(await run('alice read', 'execute', 'createAgent', { body: { name: 'no' } })).toMatchObject({
      isError: true,
      structuredContent: { code: 'forbidden' },
    });
  });
});

test('every operation has a summary of few words, and every summary an operation', async () => {
  const document = (await (await fetch(`${app.url}/api-doc/openapi.json`)).json()) as {
    paths: Record<string, Record<string, { operationId: string; summary?: string }>>;
  };
  const operations = Object.values(document.paths).flatMap((methods) => Object.values(methods));
  const wrong = operations.filter(({ summary = '' }) => !/^[A-Z][^\n]{3,79}[^.\n]$/.test(summary));
  expect(wrong.map(({ operationId }) => operationId)).toEqual([]);
  const ids = new Set(operations.map(({ operationId }) => operationId));
  expect(SUMMARIZED.filter((id) => !ids.has(id))).toEqual([]);
});

test('a call through a tool counts once, and is in the audit log as what it is', async () => {
  const before = await send({ body: { jsonrpc: '2.0', id: 1, method: 'ping' } });
  const call = {
    jsonrpc: '2.0',
    id: 1,
    method: 'tools/call',
    params: { name: 'execute', arguments: { operation: 'createAgent', body: { name: 'audited', system_prompt: 'x' } } },
  };
  await send({ body: call, headers: { 'x-request-id': 'audited-request' } });
  const after = await send({ body: { jsonrpc: '2.0', id: 1, method: 'ping' } });
  expect(Number(before.headers.get('ratelimit-remaining')) - Number(after.headers.get('ratelimit-remaining'))).toBe(2);
  const rows = await app.db.run({
    name: 'audited',
    text: `select to_jsonb(a) as row from audit_logs a where to_jsonb(a)::text like '%audited-request%'`,
  });
  expect(rows).toHaveLength(1);
});
