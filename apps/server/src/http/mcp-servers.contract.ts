import { createIdSource, fromPublicId, toPublicId } from '@everruns/contract';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { rowsOf, testApp, textOf } from './testing/test-app.ts';
import type { TestApp, Wire } from './testing/test-app.ts';
import { ANYONE } from './caller.ts';

const CANARY = 'canary-7d11e5';
const ids = createIdSource();
const OTHER = ids.next();
let app: TestApp;
let made = 0;

beforeAll(async () => {
  app = await testApp({
    authenticate: (request) => {
      const org = request.headers['x-test-org'];
      return typeof org === 'string' ? { ...ANYONE, orgId: fromPublicId('organization', org) as string } : ANYONE;
    },
  });
  await app.db.run({ name: 'other_org', text: `insert into organizations (id, name) values ($1, 'Other')` }, [OTHER]);
});
afterAll(() => app.close());

const AT = 'https://mcp.example.com/mcp';
async function create(body: Record<string, unknown> = {}): Promise<Wire> {
  const answer = await app.call('POST', '/v1/mcp-servers', { name: `server ${++made}`, url: AT, ...body });
  expect(answer.status, answer.text).toBe(201);
  return answer.json;
}
const path = (server: Wire, suffix = ''): string => `/v1/mcp-servers/${textOf(server['id'])}${suffix}`;

async function everything(): Promise<string> {
  const texts: string[] = [];
  for (const table of Object.keys(await app.rowCounts())) {
    texts.push(JSON.stringify(await app.db.run({ name: `dump_${table}`, text: `select to_jsonb(t) as row from ${table} t` })));
  }
  return texts.join('\n');
}

describe('an MCP server', () => {
  test('is created with its defaults, read, listed, searched', async () => {
    const server = await create({ name: 'Weather maps', description: 'Clouds' });
    expect(server).toMatchObject({
      name: 'Weather maps',
      url: AT,
      transport_type: 'http',
      status: 'active',
      api_key_set: false,
      description: 'Clouds',
    });
    expect(server['id']).toMatch(/^mcp_[0-9a-f]{32}$/);
    expect((await app.call('GET', path(server))).json).toEqual(server);
    const found = await app.call('GET', '/v1/mcp-servers?search=weather%20clouds');
    expect(rowsOf(found.json['data']).map(({ id }) => id)).toEqual([server['id']]);
    expect((await app.call('GET', '/v1/mcp-servers?search=nothing-like-it')).json['data']).toEqual([]);
    expect((await app.call('GET', '/v1/mcp-servers/config')).json).toMatchObject({ policies: { 'mcp_server.view': true } });
  });

  test('is archived, hidden from lists unless asked for, and comes back', async () => {
    const server = await create();
    const archived = await app.call('PATCH', path(server), { status: 'archived' });
    expect(archived.json).toMatchObject({ status: 'archived', archived_at: expect.any(String) as unknown });
    const listed = async (query: string) => rowsOf((await app.call('GET', `/v1/mcp-servers${query}`)).json['data']).map(({ id }) => id);
    expect(await listed('')).not.toContain(server['id']);
    expect(await listed('?include_archived=true')).toContain(server['id']);
    const active = await app.call('PATCH', path(server), { status: 'active', description: 'again' });
    expect(active.json).toMatchObject({ status: 'active', description: 'again' });
    expect(active.json).not.toHaveProperty('archived_at');
  });

  test('is archived by DELETE, as often as it is said, and keeps its key', async () => {
    const server = await create({ api_key: CANARY });
    for (const { status } of await Promise.all([1, 2, 3, 4].map(() => app.call('DELETE', path(server))))) expect(status).toBe(204);
    expect((await app.call('DELETE', path(server))).status).toBe(204);
    const archived = { status: 'archived', archived_at: expect.any(String) as unknown, api_key_set: true };
    expect((await app.call('GET', path(server))).json).toMatchObject(archived);
    expect((await app.call('PATCH', path(server), { description: 'x' })).json).toMatchObject({ status: 409, code: 'wrong_state' });
    expect((await app.call('GET', path(server))).json).not.toHaveProperty('description');
    const agent = { name: `agent-${++made}`, system_prompt: 'p', capabilities: [{ ref: `mcp:${textOf(server['id'])}` }] };
    expect((await app.call('POST', '/v1/agents', agent)).json).toMatchObject({ status: 400, code: 'dependency_archived' });
    await app.call('PATCH', path(server), { status: 'active' });
    expect((await app.call('POST', '/v1/agents', agent)).status).toBe(201);
  });

  test('is deleted once it is archived, and its name is free again', async () => {
    const server = await create({ api_key: CANARY });
    expect((await app.call('POST', path(server, '/delete'))).json).toMatchObject({ status: 409, code: 'wrong_state' });
    expect((await app.call('PATCH', path(server), { status: 'deleted' })).json).toMatchObject({ status: 409, code: 'wrong_state' });
    await app.call('DELETE', path(server));
    expect((await app.call('POST', path(server, '/delete'))).status).toBe(204);
    for (const [method, suffix] of [
      ['GET', ''],
      ['DELETE', ''],
      ['POST', '/delete'],
    ] as const) {
      expect((await app.call(method, path(server, suffix))).status).toBe(404);
    }
    await create({ name: server['name'] });
  });

  test('may be a capability of an agent once it is there', async () => {
    const server = await create();
    const agent = (ref: string) => app.call('POST', '/v1/agents', { name: `agent-${++made}`, system_prompt: 'p', capabilities: [{ ref }] });
    expect((await agent(`mcp:${textOf(server['id'])}`)).status).toBe(201);
    expect((await agent(`mcp:mcp_${'e'.repeat(32)}`)).json).toMatchObject({ code: 'unknown_capability', field: 'capabilities.0.ref' });
  });
});

test('an active server is in the catalogue of its organization, and of no other', async () => {
  const server = await create({ name: 'Catalogued', description: 'Shown' });
  const at = `/v1/capabilities/mcp:${textOf(server['id'])}`;
  const shown = { id: `mcp:${textOf(server['id'])}`, name: 'Catalogued', description: 'Shown', category: 'MCP Servers', icon: 'plug' };
  expect((await app.call('GET', at)).json).toMatchObject(shown);
  expect(rowsOf((await app.call('GET', '/v1/capabilities?search=catalogued')).json['data'])).toEqual([expect.objectContaining(shown)]);
  const headers = { 'x-test-org': toPublicId('organization', OTHER) };
  expect((await app.call('GET', at, undefined, headers)).status).toBe(404);
  await app.call('PATCH', path(server), { status: 'disabled' });
  expect((await app.call('GET', at)).status).toBe(404);
});

test.each(['http://10.0.0.1/mcp', 'http://[::1]/mcp', 'https://me:pw@example.com/', 'file:///etc/passwd', 'nowhere'])(
  'an agent, a harness and a session with a server at %s are refused',
  async (url) => {
    const before = await app.rowCounts();
    for (const [at, body] of [
      ['/v1/agents', { name: 'inside', system_prompt: 'p' }],
      ['/v1/harnesses', { name: 'inside' }],
      ['/v1/sessions', {}],
    ] as const) {
      const answer = await app.call('POST', at, { ...body, mcpServers: { docs: { url } } });
      expect([answer.status, answer.json['field']]).toEqual([400, 'mcpServers.docs.url']);
    }
    expect(await app.rowCounts()).toEqual(before);
  },
);

test('a client-side tool cannot take the name of one of its tools', async () => {
  const tools = [{ type: 'client_side', name: 'mcp_docs__search', description: 'd', parameters: { type: 'object' } }];
  const answer = await app.call('POST', '/v1/agents', { name: 'pretender', system_prompt: 'p', tools });
  expect([answer.status, answer.json['field']]).toEqual([400, 'tools.0.name']);
});

describe('its secrets', () => {
  test('are stored encrypted and never told', async () => {
    const server = await create({ api_key: CANARY, headers: { 'X-Key': CANARY, Accept: 'a' } });
    expect(server).toMatchObject({ api_key_set: true, headers: { 'X-Key': '***', Accept: '***' } });
    for (const [method, at, body] of [
      ['GET', path(server)],
      ['GET', '/v1/mcp-servers'],
      ['PATCH', path(server), { description: 'x' }],
    ] as const) {
      const { text, status } = await app.call(method, at, body);
      expect(status).toBe(200);
      expect(text).not.toContain(CANARY);
      expect(text).not.toContain('ciphertext');
    }
    const stored = await everything();
    expect(stored).not.toContain(CANARY);
    expect(stored).not.toContain(Buffer.from(CANARY).toString('base64'));
  });

  test('are kept by a change that does not speak of them, replaced by one that does, cleared by null', async () => {
    const server = await create({ api_key: CANARY, headers: { a: '1', b: '2' } });
    expect((await app.call('PATCH', path(server), { status: 'disabled' })).json).toMatchObject({
      api_key_set: true,
      headers: { a: '***' },
    });
    const changed = await app.call('PATCH', path(server), { headers: { a: '***', c: '3' } });
    expect(changed.json['headers']).toEqual({ a: '***', c: '***' });
    const cleared = await app.call('PATCH', path(server), { api_key: null, headers: null });
    expect(cleared.json['api_key_set']).toBe(false);
    expect(cleared.json).not.toHaveProperty('headers');
  });
});

describe('is refused', () => {
  const ok = { name: 'refused', url: AT };
  test.each([
    [{ url: AT }, 'name'],
    [{ name: 'x' }, 'url'],
    [{ ...ok, name: ' ' }, 'name'],
    [{ ...ok, name: 'x'.repeat(256) }, 'name'],
    [{ ...ok, url: 'ftp://example.com' }, 'url'],
    [{ ...ok, url: 'https://me:pw@example.com/' }, 'url'],
    [{ ...ok, url: 'http://10.0.0.1/mcp' }, 'url'],
    [{ ...ok, url: 'http://[::ffff:127.0.0.1]/mcp' }, 'url'],
    [{ ...ok, url: 'http://0x7f000001/mcp' }, 'url'],
    [{ ...ok, transport_type: 'stdio' }, 'transport_type'],
    [{ ...ok, headers: { Host: 'x' } }, 'headers'],
    [{ ...ok, headers: { a: 'b\nc' } }, 'headers'],
    [{ ...ok, headers: Object.fromEntries(Array.from({ length: 101 }, (_, n) => [`h${n}`, 'x'])) }, 'headers'],
    [{ ...ok, headers: { a: '***' } }, 'headers.a'],
    [{ ...ok, api_key: 'with blank' }, 'api_key'],
  ])('%j: %s', async (body, field) => {
    const before = await app.rowCounts();
    const answer = await app.call('POST', '/v1/mcp-servers', body);
    expect([answer.status, answer.json['field']]).toEqual([400, field]);
    expect(answer.text).not.toContain('pw@');
    expect(await app.rowCounts()).toEqual(before);
  });

  test('when its name is taken, in whatever case', async () => {
    const server = await create({ name: 'Taken' });
    expect((await app.call('POST', '/v1/mcp-servers', { name: 'tAKEN', url: AT })).json).toMatchObject({ status: 400, field: 'name' });
    const other = await create();
    expect((await app.call('PATCH', path(other), { name: 'taken' })).json).toMatchObject({ status: 400, field: 'name' });
    expect((await app.call('PATCH', path(server), { name: 'TAKEN' })).status).toBe(200);
  });
});

test('another organization cannot see, change or use it', async () => {
  const server = await create();
  const headers = { 'x-test-org': toPublicId('organization', OTHER), 'content-type': 'application/json' };
  for (const [method, at, body] of [
    ['GET', path(server)],
    ['PATCH', path(server), '{"description":"x"}'],
    ['DELETE', path(server)],
    ['POST', path(server, '/delete')],
  ] as const) {
    expect((await app.call(method, at, body, headers)).status).toBe(404);
  }
  expect((await app.call('GET', '/v1/mcp-servers', undefined, headers)).json['data']).toEqual([]);
  const agent = JSON.stringify({ name: 'theirs', system_prompt: 'p', capabilities: [{ ref: `mcp:${textOf(server['id'])}` }] });
  expect((await app.call('POST', '/v1/agents', agent, headers)).json).toMatchObject({ code: 'unknown_capability' });
  expect((await app.call('GET', path(server))).json).not.toHaveProperty('description');
});

describe('known MCP servers', () => {
  test('are listed with where they come from, and each is added in one call', async () => {
    const { json } = await app.call('GET', '/v1/mcp-server-examples');
    const known = rowsOf(json);
    expect(known.length).toBeGreaterThanOrEqual(10);
    expect(new Set(known.map(({ slug }) => slug)).size).toBe(known.length);
    for (const entry of known) {
      const { slug, name, url, source, auth_mode, as_of } = entry;
      expect([textOf(url), textOf(source), textOf(as_of)].join(' '), textOf(slug)).toMatch(/^https:\S+ https:\S+ \d{4}-\d\d-\d\d$/);
      const body = textOf(auth_mode) === 'api_key' ? { api_key: CANARY } : {};
      const added = await app.call('POST', `/v1/mcp-server-examples/${textOf(slug)}/use`, body);
      expect(added.status, added.text).toBe(201);
      expect(added.json).toMatchObject({ name, url, status: 'active', auth_mode, api_key_set: textOf(auth_mode) === 'api_key' });
    }
    expect(await everything()).not.toContain(CANARY);
  });

  test('are added under another name, and not without the key that they take', async () => {
    const use = (slug: string, body: object) => app.call('POST', `/v1/mcp-server-examples/${slug}/use`, body);
    const before = await app.rowCounts();
    expect((await use('github', { name: 'Mine' })).json).toMatchObject({ status: 400, code: 'invalid_request', field: 'api_key' });
    expect((await use('nobody', {})).json).toMatchObject({ status: 404, code: 'not_found', field: 'slug' });
    expect((await use('deepwiki', {})).json).toMatchObject({ status: 400, code: 'invalid_request', field: 'name' });
    expect(await app.rowCounts()).toEqual(before);
    const headers = { Authorization: `Bearer ${CANARY}` };
    expect((await use('github', { name: 'Mine', headers, description: 'Ours' })).json).toMatchObject({
      name: 'Mine',
      auth_mode: 'none',
      description: 'Ours',
      headers: { Authorization: '***' },
    });
  });
});
