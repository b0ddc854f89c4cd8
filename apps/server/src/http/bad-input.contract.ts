import { connect } from 'node:net';
import { ERROR_CODES } from '@everruns/contract';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { testApp } from './testing/test-app.ts';
import type { TestApp } from './testing/test-app.ts';

const HEX = 'f'.repeat(32);
const text = (value: unknown) => ({ message: { content: [{ type: 'text', text: value }] } });

let app: TestApp;
let session: string;
let agent: string;
let before: Record<string, number>;

beforeAll(async () => {
  app = await testApp();
  agent = (await app.call('POST', '/v1/agents', { name: 'existing', system_prompt: 'x' })).json['id'] as unknown as string;
  await app.call('POST', '/v1/agents', { name: 'shelved', system_prompt: 'x' });
  await app.call('DELETE', '/v1/agents/shelved');
  session = (await app.call('POST', '/v1/sessions', {})).json['id'] as unknown as string;
  before = await app.rowCounts();
});
afterAll(() => app.close());

interface Case {
  name: string;
  call: [method: string, path: string, body?: unknown, headers?: Record<string, string>];
  status: number;
  code: string;
  field?: string;
}

const JSON_TYPE = { 'content-type': 'application/json' };
/** `SESSION` and `AGENT` in paths stand for the existing ones. */
const cases: Case[] = [
  // Bodies
  { name: 'broken JSON', call: ['POST', '/v1/agents', '{"name":', JSON_TYPE], status: 400, code: 'malformed_json' },
  { name: 'JSON with a prototype', call: ['POST', '/v1/agents', '{"__proto__":{"x":1}}', JSON_TYPE], status: 400, code: 'malformed_json' },
  { name: 'an empty body', call: ['POST', '/v1/agents', '', JSON_TYPE], status: 400, code: 'invalid_request', field: 'name' },
  { name: 'null as body', call: ['POST', '/v1/agents', 'null', JSON_TYPE], status: 400, code: 'invalid_request', field: 'name' },
  { name: 'a list as body', call: ['POST', '/v1/agents', '[]', JSON_TYPE], status: 400, code: 'invalid_request', field: 'body' },
  { name: 'a text as body', call: ['POST', '/v1/agents', '"x"', JSON_TYPE], status: 400, code: 'invalid_request', field: 'body' },
  {
    name: '2 MB',
    call: ['POST', '/v1/agents', { name: 'x', system_prompt: 'x'.repeat(2_000_000) }],
    status: 413,
    code: 'payload_too_large',
  },
  {
    name: '2 MB as a message',
    call: ['POST', '/v1/sessions/SESSION/messages', text('x'.repeat(2_000_000))],
    status: 413,
    code: 'payload_too_large',
  },
  {
    name: '65 levels',
    call: ['POST', '/v1/sessions', `{"hints":{"x":${'['.repeat(64)}${']'.repeat(64)}}}`, JSON_TYPE],
    status: 400,
    code: 'invalid_request',
  },
  {
    name: 'a form',
    call: ['POST', '/v1/agents', 'name=x', { 'content-type': 'application/x-www-form-urlencoded' }],
    status: 415,
    code: 'unsupported_media_type',
  },
  { name: 'XML', call: ['POST', '/v1/agents', '<x/>', { 'content-type': 'application/xml' }], status: 415, code: 'unsupported_media_type' },
  {
    name: 'NUL in a text',
    call: ['POST', '/v1/agents', { name: 'x', system_prompt: 'a\u0000b' }],
    status: 400,
    code: 'invalid_request',
    field: 'system_prompt',
  },
  {
    name: 'half a surrogate pair deep down',
    call: ['POST', '/v1/sessions', '{"hints":{"a":["\\ud83d"]}}', JSON_TYPE],
    status: 400,
    code: 'invalid_request',
    field: 'hints.a.0',
  },
  {
    name: 'NUL in a name',
    call: ['POST', '/v1/sessions', '{"hints":{"a\\u0000":1}}', JSON_TYPE],
    status: 400,
    code: 'invalid_request',
    field: 'hints',
  },
  // Agents
  { name: 'a missing prompt', call: ['POST', '/v1/agents', { name: 'x' }], status: 400, code: 'invalid_request', field: 'system_prompt' },
  {
    name: 'a prompt of another type',
    call: ['POST', '/v1/agents', { name: 'x', system_prompt: 7 }],
    status: 400,
    code: 'invalid_request',
    field: 'system_prompt',
  },
  {
    name: 'a bad name',
    call: ['POST', '/v1/agents', { name: 'Not A Slug', system_prompt: 'x' }],
    status: 400,
    code: 'invalid_request',
    field: 'name',
  },
  {
    name: 'an id of another kind',
    call: ['POST', '/v1/agents', { name: 'x', system_prompt: 'x', harness_id: `agent_${HEX}` }],
    status: 400,
    code: 'malformed_id',
    field: 'harness_id',
  },
  {
    name: 'an unknown harness',
    call: ['POST', '/v1/agents', { name: 'x', system_prompt: 'x', harness_id: `harness_${HEX}` }],
    status: 404,
    code: 'not_found',
    field: 'harness_id',
  },
  {
    name: 'harness id and name',
    call: ['POST', '/v1/agents', { name: 'x', system_prompt: 'x', harness_id: `harness_${HEX}`, harness_name: 'base' }],
    status: 400,
    code: 'conflicting_parameters',
    field: 'harness_name',
  },
  {
    name: 'an unknown model',
    call: ['POST', '/v1/agents', { name: 'x', system_prompt: 'x', default_model_id: `model_${HEX}` }],
    status: 400,
    code: 'unknown_model',
    field: 'default_model_id',
  },
  {
    name: 'an unknown model by name',
    call: ['POST', '/v1/agents', { name: 'x', system_prompt: 'x', model: 'no-such' }],
    status: 400,
    code: 'unknown_model',
    field: 'model',
  },
  {
    name: 'an unknown capability',
    call: ['POST', '/v1/agents', { name: 'x', system_prompt: 'x', capabilities: [{ ref: 'current_time' }, { ref: 'warp' }] }],
    status: 400,
    code: 'unknown_capability',
    field: 'capabilities.1.ref',
  },
  {
    name: 'a capability twice',
    call: ['POST', '/v1/agents', { name: 'x', system_prompt: 'x', capabilities: [{ ref: 'current_time' }, { ref: 'current_time' }] }],
    status: 400,
    code: 'invalid_request',
    field: 'capabilities.1.ref',
  },
  {
    name: 'a configuration that is no object',
    call: ['POST', '/v1/agents', { name: 'x', system_prompt: 'x', capabilities: [{ ref: 'current_time', config: 3 }] }],
    status: 400,
    code: 'invalid_request',
    field: 'capabilities.0.config',
  },
  {
    name: 'a tool of the platform',
    call: [
      'POST',
      '/v1/agents',
      { name: 'x', system_prompt: 'x', tools: [{ type: 'builtin', name: 't', description: 'd', parameters: {} }] },
    ],
    status: 400,
    code: 'invalid_request',
    field: 'tools.0.type',
  },
  {
    name: 'a tool twice',
    call: [
      'POST',
      '/v1/agents',
      { name: 'x', system_prompt: 'x', tools: [1, 2].map(() => ({ name: 't', description: 'd', parameters: {} })) },
    ],
    status: 400,
    code: 'invalid_request',
    field: 'tools.1.name',
  },
  {
    name: 'an id of another kind in the path',
    call: ['GET', `/v1/agents/session_${HEX}`],
    status: 400,
    code: 'malformed_id',
    field: 'id_or_name',
  },
  { name: 'an unknown id', call: ['GET', `/v1/agents/agent_${HEX}`], status: 404, code: 'not_found' },
  { name: 'an unknown name', call: ['GET', '/v1/agents/nobody'], status: 404, code: 'not_found' },
  { name: 'an archived agent changed', call: ['PATCH', '/v1/agents/shelved', { description: 'x' }], status: 409, code: 'wrong_state' },
  {
    name: 'an archived agent created again',
    call: ['POST', '/v1/agents', { name: 'shelved', system_prompt: 'x' }],
    status: 409,
    code: 'wrong_state',
  },
  { name: 'an active agent deleted', call: ['POST', '/v1/agents/existing/delete'], status: 409, code: 'wrong_state' },
  {
    name: 'a name that another agent has',
    call: ['POST', '/v1/agents', { id: `agent_${HEX}`, name: 'existing', system_prompt: 'x' }],
    status: 409,
    code: 'name_taken',
    field: 'name',
  },
  {
    name: 'an empty document',
    call: ['POST', '/v1/agents/import', ' ', { 'content-type': 'text/plain' }],
    status: 400,
    code: 'invalid_request',
    field: 'body',
  },
  {
    name: 'a document with a bad field',
    call: ['POST', '/v1/agents/import', '---\nname: x\ntags: 3\n---\np', { 'content-type': 'text/plain' }],
    status: 400,
    code: 'invalid_request',
    field: 'tags',
  },
  { name: 'an example agent', call: ['POST', '/v1/agents/import?from-example=x'], status: 404, code: 'not_in_this_version' },
  { name: 'a name check without name', call: ['GET', '/v1/agents/check-name'], status: 400, code: 'invalid_request', field: 'name' },
  // Harnesses
  { name: 'a built-in harness changed', call: ['PATCH', '/v1/harnesses/generic', { description: 'x' }], status: 400, code: 'built_in' },
  { name: 'a built-in harness archived', call: ['DELETE', '/v1/harnesses/base'], status: 400, code: 'built_in' },
  {
    name: 'the name of a built-in harness',
    call: ['POST', '/v1/harnesses', { name: 'generic' }],
    status: 409,
    code: 'name_taken',
    field: 'name',
  },
  {
    name: 'an unknown parent',
    call: ['POST', '/v1/harnesses', { name: 'x', parent_harness_id: `harness_${HEX}` }],
    status: 404,
    code: 'not_found',
    field: 'parent_harness_id',
  },
  // Sessions
  {
    name: 'agent id and name',
    call: ['POST', '/v1/sessions', { agent_id: `agent_${HEX}`, agent_name: 'existing' }],
    status: 400,
    code: 'conflicting_parameters',
    field: 'agent_name',
  },
  {
    name: 'harness id and name',
    call: ['POST', '/v1/sessions', { harness_id: `harness_${HEX}`, harness_name: 'base' }],
    status: 400,
    code: 'conflicting_parameters',
    field: 'harness_name',
  },
  {
    name: 'a session of an unknown agent',
    call: ['POST', '/v1/sessions', { agent_id: `agent_${HEX}` }],
    status: 404,
    code: 'not_found',
    field: 'agent_id',
  },
  {
    name: 'a session of an unknown agent name',
    call: ['POST', '/v1/sessions', { agent_name: 'nobody' }],
    status: 404,
    code: 'not_found',
    field: 'agent_name',
  },
  {
    name: 'a session of an archived agent',
    call: ['POST', '/v1/sessions', { agent_name: 'shelved' }],
    status: 400,
    code: 'dependency_archived',
    field: 'agent_name',
  },
  {
    name: 'a session on an unknown harness',
    call: ['POST', '/v1/sessions', { harness_name: 'nothing' }],
    status: 404,
    code: 'not_found',
    field: 'harness_name',
  },
  {
    name: 'a session with an unknown model',
    call: ['POST', '/v1/sessions', { model_id: `model_${HEX}` }],
    status: 404,
    code: 'not_found',
    field: 'model_id',
  },
  {
    name: 'a session in an unknown workspace',
    call: ['POST', '/v1/sessions', { workspace_id: `wsp_${HEX}` }],
    status: 404,
    code: 'not_found',
    field: 'workspace_id',
  },
  { name: 'a bad locale', call: ['POST', '/v1/sessions', { locale: 'klingon!' }], status: 400, code: 'invalid_request', field: 'locale' },
  { name: 'a malformed session id', call: ['GET', '/v1/sessions/session_123'], status: 400, code: 'malformed_id', field: 'id' },
  { name: 'an unknown session', call: ['GET', `/v1/sessions/session_${HEX}`], status: 404, code: 'not_found' },
  { name: 'an unknown session changed', call: ['PATCH', `/v1/sessions/session_${HEX}`, { title: 'x' }], status: 404, code: 'not_found' },
  { name: 'an unknown session deleted', call: ['DELETE', `/v1/sessions/session_${HEX}`], status: 404, code: 'not_found' },
  { name: 'an unknown session cancelled', call: ['POST', `/v1/sessions/session_${HEX}/cancel`], status: 404, code: 'not_found' },
  { name: 'an unknown session pinned', call: ['PUT', `/v1/sessions/session_${HEX}/pin`], status: 404, code: 'not_found' },
  { name: 'messages of an unknown session', call: ['GET', `/v1/sessions/session_${HEX}/messages`], status: 404, code: 'not_found' },
  { name: 'the export of an unknown session', call: ['GET', `/v1/sessions/session_${HEX}/export`], status: 404, code: 'not_found' },
  { name: 'turns of an unknown session', call: ['GET', `/v1/sessions/session_${HEX}/turns`], status: 404, code: 'not_found' },
  { name: 'an unknown turn', call: ['GET', `/v1/sessions/SESSION/turns/turn_${HEX}`], status: 404, code: 'not_found' },
  { name: 'a page of no rows', call: ['GET', '/v1/sessions?limit=0'], status: 400, code: 'invalid_request', field: 'limit' },
  { name: 'a page too large', call: ['GET', '/v1/sessions?limit=101'], status: 400, code: 'invalid_request', field: 'limit' },
  { name: 'a negative offset', call: ['GET', '/v1/agents?offset=-1'], status: 400, code: 'invalid_request', field: 'offset' },
  {
    name: 'a filter by an id of another kind',
    call: ['GET', `/v1/sessions?agent_id=harness_${HEX}`],
    status: 400,
    code: 'malformed_id',
    field: 'agent_id',
  },
  // Messages and tool results
  {
    name: 'a message to an unknown session',
    call: ['POST', `/v1/sessions/session_${HEX}/messages`, text('x')],
    status: 404,
    code: 'not_found',
  },
  {
    name: 'a message without content',
    call: ['POST', '/v1/sessions/SESSION/messages', { message: { content: [] } }],
    status: 400,
    code: 'invalid_request',
    field: 'message.content',
  },
  {
    name: 'a text part without text',
    call: ['POST', '/v1/sessions/SESSION/messages', text(undefined)],
    status: 400,
    code: 'invalid_request',
    field: 'message.content.0.text',
  },
  {
    name: 'a text part of another type',
    call: ['POST', '/v1/sessions/SESSION/messages', text(5)],
    status: 400,
    code: 'invalid_request',
    field: 'message.content.0.text',
  },
  {
    name: 'a tool result as message',
    call: ['POST', '/v1/sessions/SESSION/messages', { message: { content: [{ type: 'tool_result', tool_call_id: 'x' }] } }],
    status: 400,
    code: 'invalid_request',
    field: 'message.content.0.type',
  },
  {
    name: 'a message of the agent',
    call: ['POST', '/v1/sessions/SESSION/messages', { message: { role: 'agent', content: [{ type: 'text', text: 'x' }] } }],
    status: 400,
    code: 'invalid_request',
    field: 'message.role',
  },
  {
    name: 'an unknown model for a message',
    call: ['POST', '/v1/sessions/SESSION/messages', { ...text('x'), controls: { model_id: `model_${HEX}` } }],
    status: 400,
    code: 'unknown_model',
    field: 'controls.model_id',
  },
  {
    name: 'a malformed model for a message',
    call: ['POST', '/v1/sessions/SESSION/messages', { ...text('x'), controls: { model_id: 'gpt' } }],
    status: 400,
    code: 'malformed_id',
    field: 'controls.model_id',
  },
  {
    name: 'an unknown effort',
    call: ['POST', '/v1/sessions/SESSION/messages', { ...text('x'), controls: { reasoning: { effort: 'max' } } }],
    status: 400,
    code: 'invalid_request',
    field: 'controls.reasoning.effort',
  },
  {
    name: 'an image that was never uploaded',
    call: ['POST', '/v1/sessions/SESSION/messages', { message: { content: [{ type: 'image_file', image_id: `img_${HEX}` }] } }],
    status: 400,
    code: 'invalid_request',
    field: 'message.content.0.image_id',
  },
  {
    name: 'a key that is no UUID',
    call: ['POST', '/v1/sessions/SESSION/messages', { ...text('x'), client_message_id: '7' }],
    status: 400,
    code: 'invalid_request',
    field: 'client_message_id',
  },
  {
    name: 'waiting too long',
    call: ['POST', '/v1/sessions/SESSION/messages?wait=true&timeout_ms=600001', text('x')],
    status: 400,
    code: 'invalid_request',
    field: 'timeout_ms',
  },
  {
    name: 'no tool results',
    call: ['POST', '/v1/sessions/SESSION/tool-results', { tool_results: [] }],
    status: 400,
    code: 'invalid_request',
    field: 'tool_results',
  },
  {
    name: 'tool results nobody asked for',
    call: ['POST', '/v1/sessions/SESSION/tool-results', { tool_results: [{ tool_call_id: 'x', result: 1 }] }],
    status: 409,
    code: 'not_waiting_for_tool_results',
  },
  {
    name: 'an export of another kind',
    call: ['GET', '/v1/sessions/SESSION/export?format=csv'],
    status: 400,
    code: 'invalid_request',
    field: 'format',
  },
  // Providers and models
  {
    name: 'a base URL with a password',
    call: ['POST', '/v1/providers', { name: 'x', provider_type: 'openai', base_url: 'https://u:p@h' }],
    status: 400,
    code: 'invalid_request',
    field: 'base_url',
  },
  {
    name: 'a key with a line break',
    call: ['POST', '/v1/providers', { name: 'x', provider_type: 'openai', api_key: 'a\nb' }],
    status: 400,
    code: 'invalid_request',
    field: 'api_key',
  },
  {
    name: 'the name of another provider',
    call: ['POST', '/v1/providers', { name: 'OpenAI', provider_type: 'openai' }],
    status: 409,
    code: 'name_taken',
    field: 'name',
  },
  { name: 'an unknown provider', call: ['GET', `/v1/providers/provider_${HEX}`], status: 404, code: 'not_found' },
  {
    name: 'a model of an unknown provider',
    call: ['POST', `/v1/providers/provider_${HEX}/models`, { model_id: 'x', display_name: 'x' }],
    status: 404,
    code: 'not_found',
  },
  {
    name: 'a model that is there already',
    call: ['POST', '/v1/providers/provider_01933b5a000070008000000000000001/models', { model_id: 'gpt-5.4', display_name: 'x' }],
    status: 409,
    code: 'name_taken',
    field: 'model_id',
  },
  { name: 'an unknown model', call: ['GET', `/v1/models/model_${HEX}`], status: 404, code: 'not_found' },
  { name: 'an unknown capability', call: ['GET', '/v1/capabilities/warp'], status: 404, code: 'not_found' },
  // Organizations
  {
    name: 'another organization',
    call: ['GET', '/v1/agents', undefined, { 'x-org-id': `org_${HEX}` }],
    status: 404,
    code: 'not_found',
    field: 'X-Org-Id',
  },
  {
    name: 'a malformed organization',
    call: ['GET', '/v1/agents', undefined, { 'x-org-id': 'mine' }],
    status: 400,
    code: 'malformed_id',
    field: 'X-Org-Id',
  },
  { name: 'an organization nobody is in', call: ['GET', `/v1/orgs/org_${HEX}`], status: 404, code: 'not_found' },
  // Addresses
  { name: 'an unknown path', call: ['GET', '/v1/nothing'], status: 404, code: 'not_found' },
  { name: 'a part that is not built', call: ['GET', '/v1/memories'], status: 404, code: 'not_in_this_version' },
  { name: 'a part of a session that is not built', call: ['POST', '/v1/sessions/SESSION/fork'], status: 404, code: 'not_in_this_version' },
  { name: 'a method that is not possible', call: ['PUT', '/v1/sessions'], status: 405, code: 'method_not_allowed' },
  { name: 'a broken escape', call: ['GET', '/v1/agents/%E0%A4%A'], status: 400, code: 'invalid_request' },
  { name: 'NUL in the path', call: ['GET', '/v1/agents/a%00b'], status: 400, code: 'malformed_id', field: 'id_or_name' },
  { name: 'NUL in a query', call: ['GET', '/v1/agents?search=a%00b'], status: 400, code: 'invalid_request', field: 'search' },
];

describe('each bad input is answered with its status and code, names its field, and changes nothing', () => {
  test.each(cases)('$name', async ({ call, status, code, field }) => {
    const [method, path, body, headers] = call;
    const answer = await app.call(method, path.replace('SESSION', session).replace('AGENT', agent), body, headers);
    expect({ status: answer.status, code: answer.json?.['code'], field: answer.json?.['field'] }).toEqual({ status, code, field });
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
    expect(answer.json).toMatchObject({
      status,
      title: ERROR_CODES[code as keyof typeof ERROR_CODES].title,
      detail: expect.any(String),
      instance: expect.stringMatching(/^\/api\/v1\//),
      type: `https://errors.everruns.com/${code.replaceAll('_', '-')}`,
      error: { code, message: expect.any(String) },
    });
    expect(await app.rowCounts()).toEqual(before);
  });
});

test('a deleted session answers 404 to everything, and a message to it changes nothing', async () => {
  const { json } = await app.call('POST', '/v1/sessions', {});
  const path = `/v1/sessions/${String(json['id'])}`;
  expect((await app.call('DELETE', path)).status).toBe(204);
  const counts = await app.rowCounts();
  for (const [method, suffix, body] of [
    ['GET', ''],
    ['PATCH', '', { title: 'x' }],
    ['DELETE', ''],
    ['GET', '/messages'],
    ['POST', '/messages', text('x')],
    ['POST', '/tool-results', { tool_results: [{ tool_call_id: 'x' }] }],
    ['POST', '/cancel'],
    ['PUT', '/pin'],
    ['GET', '/turns'],
    ['GET', '/export'],
  ] as const) {
    expect((await app.call(method, path + suffix, body)).json?.['code'], `${method} ${suffix}`).toBe('not_found');
  }
  expect(await app.rowCounts()).toEqual(counts);
  before = counts;
});

test('the possible methods are named', async () => {
  const answer = await app.call('PUT', '/v1/sessions/stats');
  expect(answer.status).toBe(405);
  expect(answer.headers.get('allow')).toContain('GET');
});

test('what is not HTTP is answered with a problem too', async () => {
  const { port } = new URL(app.url);
  const answer = await new Promise<string>((resolve, reject) => {
    const socket = connect(Number(port), '127.0.0.1', () => socket.write('NOT HTTP AT ALL\r\n\r\n'));
    let received = '';
    socket.on('data', (bytes) => (received += bytes.toString()));
    socket.on('close', () => resolve(received));
    socket.on('error', reject);
  });
  expect(answer).toMatch(/^HTTP\/1\.1 400 /);
  expect(answer).toContain('application/problem+json');
  expect(answer).toContain('"code":"invalid_request"');
});

test('a failure inside tells nothing of the inside, and the request id finds it', async () => {
  const rename = (from: string, to: string) => app.db.run({ name: `rename_${from}`, text: `alter table ${from} rename to ${to}` });
  await rename('organizations', 'organizations_away');
  try {
    const answer = await app.call('GET', '/v1/orgs', undefined, { 'x-request-id': 'mine-1' });
    expect(answer.status).toBe(500);
    expect(answer.json).toMatchObject({ code: 'internal', status: 500 });
    expect(answer.text).not.toMatch(/organizations|relation|select|42P01|\.ts/);
    expect(answer.headers.get('x-request-id')).toBe('mine-1');
  } finally {
    await rename('organizations_away', 'organizations');
  }
});
