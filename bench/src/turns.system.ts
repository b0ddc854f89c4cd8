import { expect, test } from 'vitest';
import { benchTurns } from './turns.ts';

test('a text turn costs PostgreSQL no more than its budget of statements and transactions', async () => {
  expect(await benchTurns(['--check', '--turns', '300'])).toBe(0);
});
