import { expect, test } from 'vitest';
import { z } from 'zod';
import { validBody } from './validation.ts';

const Body = z.object({ name: z.string(), tags: z.array(z.string()).optional(), size: z.int('Expected a size.').optional() });

test.each([
  [{}, 'name', 'This is missing; expected string.'],
  [{ name: 7 }, 'name', 'Expected string, received number.'],
  [{ name: 'x', tags: ['a', null] }, 'tags.1', 'Expected string, received null.'],
  [{ name: 'x', size: 1.5 }, 'size', 'Expected a size.'],
  [[], 'body', 'Expected object, received array.'],
])('%j is refused at its place and in plain words', (body, field, message) => {
  expect(() => validBody(Body, body)).toThrowError(expect.objectContaining({ code: 'invalid_request', field, message }));
});
