import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { testApp, textOf } from './testing/test-app.ts';
import type { TestApp, Wire } from './testing/test-app.ts';

let app: TestApp;
beforeAll(async () => {
  app = await testApp();
});
afterAll(() => app.close());

const TYPES = { markdown: 'text/markdown', yaml: 'application/yaml', json: 'application/json' } as const;
const FORMATS = Object.keys(TYPES) as (keyof typeof TYPES)[];
const PROMPT = 'First.\n\n---\n\n- "quoted": {yes}\n  indented\n\n# Ende 🎈';

const SHARED = {
  display_name: 'A: "name"',
  description: 'Two\nlines',
  system_prompt: PROMPT,
  capabilities: [{ ref: 'current_time' }, { ref: 'stateless_todo_list', config: {} }],
  initial_files: [{ path: '/a.bin', content: 'AAEC', encoding: 'base64', is_readonly: true }],
  tags: ['one', 'two: three'],
  network_access: { allowed: ['*.example.com'], blocked: ['x.example.com'] },
  parallel_tool_calls: false,
};

async function made(path: string, body: unknown): Promise<Wire> {
  const answer = await app.call('POST', path, body);
  expect(answer.status, answer.text).toBe(201);
  return answer.json;
}

/** Without what belongs to the row and not to the configuration. */
function configuration(entity: Wire): Record<string, unknown> {
  const own = new Set(['created_at', 'updated_at', 'usage', 'session_count', 'agent_count', 'app_count', 'allowed_actions']);
  return Object.fromEntries(Object.entries(entity).filter(([key]) => !own.has(key)));
}

async function roundTrip(kind: 'agents' | 'harnesses', entity: Wire, format: keyof typeof TYPES): Promise<void> {
  const path = `/v1/${kind}/${textOf(entity['name'])}`;
  const exported = await app.call('GET', `${path}/export?format=${format}`);
  expect([exported.status, exported.headers.get('content-type')]).toEqual([200, expect.stringContaining(TYPES[format])]);
  await app.call('PATCH', path, { system_prompt: 'changed', tags: [], capabilities: [], description: null, network_access: null });
  const imported = await app.call('POST', `/v1/${kind}/import`, exported.text, { 'content-type': 'text/plain' });
  expect(imported.status, imported.text).toBe(200);
  expect(configuration((await app.call('GET', path)).json)).toEqual(configuration(entity));
}

describe.each(FORMATS)('%s', (format) => {
  test('brings an agent back to what it was, in place', async () => {
    await made('/v1/harnesses', { name: `under-${format}` });
    const tools = [{ type: 'client_side', name: 'ask', description: 'Asks', parameters: { type: 'object' } }];
    const body = { ...SHARED, name: `agent-${format}`, harness_name: `under-${format}`, tools, max_iterations: 7 };
    await made('/v1/agents', body);
    await roundTrip('agents', (await app.call('GET', `/v1/agents/agent-${format}`)).json, format);
  });

  test('brings a harness back to what it was, in place', async () => {
    const parent = await made('/v1/harnesses', { name: `parent-${format}` });
    await made('/v1/harnesses', { ...SHARED, name: `harness-${format}`, parent_harness_id: parent['id'], embedder_metadata: { app: 'x' } });
    await roundTrip('harnesses', (await app.call('GET', `/v1/harnesses/harness-${format}`)).json, format);
  });

  test('makes a deleted harness anew', async () => {
    await made('/v1/harnesses', { ...SHARED, name: `gone-${format}` });
    const { text } = await app.call('GET', `/v1/harnesses/gone-${format}/export?format=${format}`);
    await app.call('DELETE', `/v1/harnesses/gone-${format}`);
    await app.call('POST', `/v1/harnesses/gone-${format}/delete`);
    const again = await app.call('POST', '/v1/harnesses/import', text, { 'content-type': TYPES[format] });
    expect([again.status, again.json]).toMatchObject([201, SHARED]);
  });
});

test('an agent without a prompt keeps having none', async () => {
  await made('/v1/agents', { name: 'silent', system_prompt: '' });
  const { text } = await app.call('GET', '/v1/agents/silent/export');
  expect((await app.call('POST', '/v1/agents/import', text)).json).toMatchObject({ name: 'silent', system_prompt: '' });
});

test('plain text becomes a harness with that prompt', async () => {
  const imported = await app.call('POST', '/v1/harnesses/import', 'Be kind.', { 'content-type': 'text/plain' });
  expect([imported.status, imported.json]).toMatchObject([201, { system_prompt: 'Be kind.', name: expect.stringMatching(/^imported-/) }]);
});
