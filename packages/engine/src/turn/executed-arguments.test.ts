import type { PlannedCall } from '@everruns/contract';
import { describe, expect, it } from 'vitest';
import { executedArguments } from './executed-arguments.ts';
import { publicCall } from './session-events.ts';

const call = (fields: Partial<PlannedCall>): PlannedCall => ({
  id: 'c',
  name: 'send',
  arguments: {},
  side: 'server',
  effect: 'unsafe',
  ...fields,
});

describe('a call that hooks rewrote', () => {
  it('shows in its message what the model wrote', () => {
    const shown = (fields: Partial<PlannedCall>) => publicCall(call(fields)).arguments;
    expect(shown({ arguments: { a: 1, c: 3 }, rewritten: { from: { a: '1', b: 2 }, added: ['c'] } })).toEqual({ a: '1', b: 2 });
    expect(shown({ arguments: {}, problem: 'no', rewritten: { from: { a: 1 } } })).toEqual({ a: 1 });
    expect(shown({ arguments: { a: 1 } })).toEqual({ a: 1 });
  });

  it('shows in its end what ran', () => {
    expect(executedArguments(call({ arguments: { a: 1 }, rewritten: { from: { a: '1' } } }))).toEqual({ executed_arguments: { a: 1 } });
  });

  it('shows nothing that looks like a credential', () => {
    const args = { user: 'u', Password: 'x', nested: [{ api_key: 'k', token: 't', tokens: 5 }] };
    expect(executedArguments(call({ arguments: args, rewritten: { from: {} } }))).toEqual({
      executed_arguments: { user: 'u', Password: '[withheld]', nested: [{ api_key: '[withheld]', token: '[withheld]', tokens: 5 }] },
    });
  });

  it('says when there is too much to show', () => {
    const big = { text: 'x'.repeat(5_000) };
    expect(executedArguments(call({ arguments: big, rewritten: { from: {} } }))).toEqual({
      executed_arguments: {},
      executed_arguments_truncated: true,
    });
  });

  it('shows nothing more where it ran as written, or did not run', () => {
    expect(executedArguments(call({}))).toEqual({});
    expect(executedArguments(call({ rewritten: { from: {} }, problem: 'no' }))).toEqual({});
    expect(executedArguments(call({ rewritten: { from: {} }, answer: [] }))).toEqual({});
  });
});
