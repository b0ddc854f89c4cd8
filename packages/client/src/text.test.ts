import type { SessionEvent } from '@everruns/contract';
import { expect, it } from 'vitest';
import { TextAssembler } from './text.ts';

const more = (delta: string, offset: number, rest: object = {}): SessionEvent =>
  ({ type: 'output.message.delta', data: { turn_id: 't', message_id: 'm', delta, offset, ...rest } }) as SessionEvent;

it('puts a text together, also when a part of it comes again', () => {
  const text = new TextAssembler('output.message.delta');
  expect(text.add(more('One ', 0))).toEqual({ messageId: 'm', delta: 'One ', text: 'One ' });
  expect(text.add(more('two', 4))?.text).toBe('One two');
  expect(text.add(more('One two th', 0))?.text).toBe('One two th');
  expect(text.add(more('ree', 10))?.text).toBe('One two three');
});

it('begins anew with another attempt or message, and leaves out what does not join on', () => {
  const text = new TextAssembler('output.message.delta');
  text.add(more('Lost', 0, { attempt: 1 }));
  expect(text.add(more('New', 0, { attempt: 2 }))?.text).toBe('New');
  expect(text.add(more('gap', 9, { attempt: 2 }))).toBeNull();
  expect(text.add(more('Next', 0, { message_id: 'n' }))?.text).toBe('Next');
  expect(text.add({ type: 'turn.started', data: {} } as SessionEvent)).toBeNull();
});

it('tells at the end what no delta has told', () => {
  const text = new TextAssembler('output.message.delta');
  expect(text.complete('m', 'All at once')).toEqual({ messageId: 'm', delta: 'All at once', text: 'All at once' });
  text.add(more('One ', 0));
  expect(text.complete('m', 'One two')).toEqual({ messageId: 'm', delta: 'two', text: 'One two' });
  text.add(more('Told', 0));
  expect(text.complete('m', 'Told')).toBeNull();
});
