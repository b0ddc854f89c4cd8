import { expect, it } from 'vitest';
import { toToolResult } from './results.ts';

it.each([
  ['a text', { content: [{ type: 'text', text: 'a' }] }, { kind: 'success', value: { result: 'a' } }],
  [
    'structure',
    { content: [{ type: 'text', text: '{"a":1}' }], structuredContent: { a: 1 } },
    { kind: 'success', value: { result: { a: 1 } } },
  ],
  ['nothing', {}, { kind: 'success', value: { content: [] } }],
  [
    'several parts',
    {
      content: [
        { type: 'text', text: 'a' },
        { type: 'resource', resource: { uri: 'x:1', text: 't' } },
      ],
    },
    {
      kind: 'success',
      value: {
        content: [
          { type: 'text', text: 'a' },
          { type: 'resource', uri: 'x:1', text: 't' },
        ],
      },
    },
  ],
  [
    'an image',
    { content: [{ type: 'image', data: 'AAAA', mimeType: 'image/png' }] },
    {
      kind: 'success',
      value: { content: [{ type: 'image', mime_type: 'image/png', size_bytes: 3, note: 'The image itself is not shown.' }] },
    },
  ],
  ['an error', { isError: true, content: [{ type: 'text', text: 'no' }] }, { kind: 'error', text: 'no' }],
  ['an error without words', { isError: true }, { kind: 'error', text: 'The MCP server reports an error without a text.' }],
])('%s', (_, result, expected) => expect(toToolResult(result)).toEqual(expected));
