import { describe, expect, it } from 'vitest';
import { fieldsOf, linesOf, readJson, withMember } from './schema-form.ts';

const only = (schema: object) => fieldsOf({ type: 'object', properties: { max_bytes: schema } })?.[0];

describe('a form made from a JSON Schema', () => {
  it.each([
    [{ type: 'string' }, { kind: 'text' }],
    [
      { type: 'boolean', default: false },
      { kind: 'check', byDefault: false },
    ],
    [
      { type: 'integer', minimum: 2, maximum: 20 },
      { kind: 'number', min: 2, max: 20, isWhole: true },
    ],
    [{ type: 'number' }, { kind: 'number', isWhole: false }],
    [
      { type: 'string', enum: ['a', 'b'] },
      { kind: 'choice', choices: ['a', 'b'] },
    ],
    [{ type: 'array', items: { type: 'string' } }, { kind: 'texts' }],
    [
      { type: 'array', items: { type: 'string', enum: ['a'] } },
      { kind: 'checks', choices: ['a'] },
    ],
    [{ type: 'array', items: { type: 'object' } }, { kind: 'json' }],
    [{ type: 'object' }, { kind: 'json' }],
    [{ type: ['integer', 'null'] }, { kind: 'number', isWhole: true }],
    [{ type: ['string', 'integer'] }, { kind: 'json' }],
    [{ anyOf: [] }, { kind: 'json' }],
  ])('%j is entered as %j', (schema, expected) => {
    expect(only(schema)).toMatchObject({ name: 'max_bytes', label: 'Max bytes', isRequired: false, ...expected });
  });

  it('shows the members of an object as a group', () => {
    expect(only({ type: 'object', required: ['a'], properties: { a: { type: 'string', title: 'The A' } } })).toMatchObject({
      kind: 'group',
      fields: [{ name: 'a', label: 'The A', kind: 'text', isRequired: true }],
    });
  });

  it('has no form for what says nothing about its members', () => {
    expect(fieldsOf({ type: 'object' })).toBeNull();
    expect(fieldsOf(undefined)).toBeNull();
  });
});

describe('what is entered', () => {
  it('is a member, and no member when it is empty', () => {
    expect(withMember({ a: 1 }, 'b', false)).toEqual({ a: 1, b: false });
    for (const nothing of [undefined, null, '', [], {}]) expect(withMember({ a: 1, b: 2 }, 'b', nothing)).toEqual({ a: 1 });
  });

  it('keeps the lines that say something', () => {
    expect(linesOf(' a \n\n b')).toEqual(['a', 'b']);
  });

  it('is read as JSON of the wanted kind', () => {
    expect(readJson('')).toEqual({ value: undefined });
    expect(readJson('[1]', 'array')).toEqual({ value: [1] });
    expect(readJson('{}', 'array').problem).toMatch(/list/);
    expect(readJson('[]', 'object').problem).toMatch(/object/);
    expect(readJson('{').problem).toMatch(/not valid JSON/);
  });
});
