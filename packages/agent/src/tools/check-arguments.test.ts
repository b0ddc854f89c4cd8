import { expect, it } from 'vitest';
import { checkArguments } from './check-arguments.ts';

const schema = {
  type: 'object',
  required: ['name', 'items'],
  additionalProperties: false,
  properties: {
    name: { type: 'string' },
    count: { type: 'integer' },
    ratio: { type: ['number', 'null'] },
    mode: { enum: ['fast', 'slow'] },
    items: { type: 'array', items: { type: 'object', required: ['id'], properties: { id: { type: 'string' } } } },
    anything: {},
  },
};

it.each([
  [{ name: 'x', items: [] }, []],
  [{ name: 'x', items: [{ id: 'a', more: 1 }], count: 2, ratio: null, mode: 'slow', anything: { deep: true } }, []],
  [[], ['the arguments must be object, received a list']],
  [{ items: [] }, ['"name" is missing']],
  [{ name: 1, items: [] }, ['"name" must be string, received 1']],
  [{ name: 'x', items: [], count: 1.5 }, ['"count" must be integer, received 1.5']],
  [{ name: 'x', items: [], ratio: 'a' }, ['"ratio" must be number or null, received "a"']],
  [{ name: 'x', items: [], mode: 'medium' }, ['"mode" must be one of "fast", "slow", received "medium"']],
  [{ name: 'x', items: [{ id: 'a' }, {}] }, ['"items[1].id" is missing']],
  [{ name: 'x', items: [], extra: 1 }, ['"extra" is not known']],
  [{ name: null, items: {} }, ['"name" must be string, received null', '"items" must be array, received an object']],
])('%j: %j', (value, problems) => {
  expect(checkArguments(schema, value)).toEqual(problems);
});

it('names at most five problems', () => {
  const many = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`x${index}`, 1]));
  expect(checkArguments(schema, many)).toHaveLength(5);
});

it('takes members that are inherited by every object for unknown', () => {
  expect(checkArguments({ type: 'object', properties: {}, additionalProperties: false }, JSON.parse('{"toString":1}'))).toEqual([
    '"toString" is not known',
  ]);
});

it('ends on arguments that are nested without end', () => {
  const recursive: Record<string, unknown> = { type: 'array' };
  recursive.items = recursive;
  let value: unknown[] = [];
  for (let depth = 0; depth < 5_000; depth++) value = [value];
  expect(checkArguments(recursive, value)).toEqual([]);
});
