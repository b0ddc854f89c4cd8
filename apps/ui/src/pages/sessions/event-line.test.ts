import type { SessionEvent } from '@everruns/client';
import { expect, it } from 'vitest';
import { lineOf } from './event-line.ts';

const line = (data: object): string => lineOf({ data } as SessionEvent);

it('says what an event is about', () => {
  expect(line({ error: 'No key.', turn_id: 't' })).toBe('No key.');
  expect(line({ message: { content: [{ type: 'text', text: 'Hello\nyou' }] } })).toBe('Hello you');
  expect(line({ tool_call: { name: 'bash', arguments: { commands: 'ls' } } })).toBe('bash {"commands":"ls"}');
  expect(line({ tool_calls: [{ name: 'a' }, { name: 'b' }] })).toBe('a, b');
});

it('is empty for what says nothing, and never long', () => {
  expect(line({ unknown: { deep: 1 } })).toBe('');
  expect(line({ error: 'x'.repeat(1_000) }).length).toBeLessThan(200);
});
