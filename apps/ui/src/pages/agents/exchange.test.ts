import type { SessionEvent } from '@everruns/client';
import { describe, expect, it } from 'vitest';
import { withEvent, withText } from './exchange.ts';
import type { ExchangePart } from './exchange.ts';

const started = { type: 'tool.started', data: { tool_call: { id: 'c1', name: 'bash' }, narration: 'Running' } } as unknown as SessionEvent;
const ended = {
  type: 'tool.completed',
  data: { tool_call_id: 'c1', tool_name: 'bash', success: false, error: 'No.', narration: 'Ran' },
} as unknown as SessionEvent;

describe('what stands under a message', () => {
  it('grows with a text, and begins a new one with a new message', () => {
    let parts: readonly ExchangePart[] = [];
    for (const text of ['H', 'Hi']) parts = withText(parts, { messageId: 'm1', delta: '', text });
    parts = withText(parts, { messageId: 'm2', delta: '', text: 'Bye' });
    expect(parts).toEqual([
      { kind: 'text', id: 'm1', text: 'Hi' },
      { kind: 'text', id: 'm2', text: 'Bye' },
    ]);
  });

  it('has a call once, from its beginning to its end', () => {
    const running = withEvent([], started);
    expect(running).toEqual([{ kind: 'tool', id: 'c1', title: 'Running', state: 'running' }]);
    expect(withEvent(withEvent(running, started), ended)).toEqual([{ kind: 'tool', id: 'c1', title: 'Ran', state: 'failed', note: 'No.' }]);
  });

  it('is not changed by other events', () => {
    const parts: readonly ExchangePart[] = [];
    expect(withEvent(parts, { type: 'turn.started' } as unknown as SessionEvent)).toBe(parts);
  });
});
