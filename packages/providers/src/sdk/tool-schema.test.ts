import { describe, expect, it } from 'vitest';
import { asObjectSchema, withoutLookArounds } from './tool-schema.ts';

describe('tool schemas', () => {
  it('name their properties even when there are none', () => {
    expect(asObjectSchema({})).toEqual({ type: 'object', properties: {} });
    expect(asObjectSchema({ type: 'object', additionalProperties: false })).toEqual({
      type: 'object',
      properties: {},
      additionalProperties: false,
    });
    expect(asObjectSchema({ type: 'object', properties: { x: {} } })).toEqual({ type: 'object', properties: { x: {} } });
  });

  it('lose patterns with look-arounds, at any depth, and nothing else', () => {
    const string = (pattern: string) => ({ type: 'string', pattern });
    const schema = {
      properties: {
        ahead: string('^(?!x)y'),
        behind: { items: string('(?<=a)b') },
        plain: string('^a+(?:b)$'),
        pattern: { type: 'string' },
      },
      anyOf: [string('(?=z)')],
    };
    expect(withoutLookArounds(schema)).toEqual({
      properties: {
        ahead: { type: 'string' },
        behind: { items: { type: 'string' } },
        plain: string('^a+(?:b)$'),
        pattern: { type: 'string' },
      },
      anyOf: [{ type: 'string' }],
    });
  });
});
