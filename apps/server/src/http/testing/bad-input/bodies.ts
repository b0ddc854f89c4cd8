import { JSON_TYPE, text } from './row.ts';
import type { BadInput } from './row.ts';

/** Bodies that are wrong whatever they are sent to. */
export const BAD_BODIES: readonly BadInput[] = [
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
    field: 'body',
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
  {
    name: 'bytes that are no UTF-8',
    call: ['POST', '/v1/sessions', Buffer.from('{"title":"\xff\xfe"}', 'latin1'), JSON_TYPE],
    status: 400,
    code: 'malformed_json',
  },
  {
    name: 'JSON in another encoding',
    call: ['POST', '/v1/sessions', '{"title":"x"}', { 'content-type': 'application/json; charset=iso-8859-1' }],
    status: 415,
    code: 'unsupported_media_type',
  },
  {
    name: 'JSON that says it is text',
    call: ['POST', '/v1/sessions', '{}', { 'content-type': 'text/plain' }],
    status: 415,
    code: 'unsupported_media_type',
  },
  {
    name: 'a number beyond all bounds in free JSON',
    call: ['POST', '/v1/sessions', '{"hints":{"a":[1,1e400]}}', JSON_TYPE],
    status: 400,
    code: 'invalid_request',
    field: 'hints.a.1',
  },
  {
    name: 'a number beyond all bounds in a field',
    call: ['POST', '/v1/sessions', '{"max_iterations":-1e999}', JSON_TYPE],
    status: 400,
    code: 'invalid_request',
    field: 'max_iterations',
  },
];
