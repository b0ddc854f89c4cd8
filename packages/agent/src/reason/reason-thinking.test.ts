import { describe, expect, it } from 'vitest';
import { finish, says } from '@everruns/testing/fake-model';
import { agentMessage, toolResult, userMessage } from '@everruns/testing/step-fixtures';
import { start, types } from '@everruns/testing/start-reason-step';

describe('thinking', () => {
  it('is one episode of its blocks, with its own start, deltas and end, before the message', async () => {
    const { outcome, sink, clock } = start([
      [
        { type: 'reasoning', delta: 'First' },
        { type: 'reasoning_end', replay: { enc: 'E1' }, itemId: 'rs_1' },
        { waitMs: 10 },
        { type: 'reasoning', delta: 'second' },
        { type: 'reasoning_end', replay: { enc: 'E2' }, itemId: 'rs_2' },
        { waitMs: 10 },
        { type: 'text', delta: 'Answer' },
        { waitMs: 10 },
        { type: 'text_end', replay: { item: 'm' } },
        finish(),
      ],
    ]);
    await clock.advance(1_000);
    const result = await outcome();
    expect(result.thinking).toBe('First\n\nsecond');
    expect(sink.text('thinking')).toBe('First\n\nsecond');
    expect(sink.log.flatMap((entry) => ('append' in entry ? [entry.append.map(({ type }) => type)] : []))).toEqual([
      ['reason.thinking.started'],
      ['reason.thinking.completed', 'reason.item', 'reason.item', 'output.message.started'],
    ]);
    expect(sink.log.flatMap((entry) => ('append' in entry ? entry.append : []))[1]?.data).toEqual({
      turn_id: 'turn_00000000000000000000000000000001',
      thinking: 'First\n\nsecond',
    });
    expect(result.replay).toEqual({
      provider_type: 'openai',
      parts: [
        { type: 'reasoning', text: 'First', replay: { enc: 'E1' } },
        { type: 'reasoning', text: 'second', replay: { enc: 'E2' } },
        { type: 'text', start: 0, end: 6, replay: { item: 'm' } },
      ],
    });
  });

  it('that goes on after text is another episode, whose deltas begin at 0 again', async () => {
    const { outcome, sink, clock } = start([
      [
        { type: 'reasoning', delta: 'One' },
        { waitMs: 10 },
        { type: 'text', delta: 'Well' },
        { waitMs: 10 },
        { type: 'reasoning', delta: 'Two' },
        { waitMs: 10 },
        { type: 'text', delta: 'Done' },
        { waitMs: 10 },
        finish(),
      ],
    ]);
    await clock.advance(1_000);
    expect(await outcome()).toMatchObject({ thinking: 'One\n\nTwo', text: 'Well\n\nDone' });
    const deltas = sink.log.flatMap((entry) => ('delta' in entry ? [entry.delta] : []));
    expect(deltas.filter(({ stream }) => stream === 'thinking').map(({ offset, text }) => [offset, text])).toEqual([
      [0, 'One'],
      [0, 'Two'],
    ]);
    expect(sink.text('output')).toBe('Well\n\nDone');
    const thoughts = sink.log
      .flatMap((entry) => ('append' in entry ? entry.append : []))
      .filter(({ type }) => type === 'reason.thinking.completed');
    expect(thoughts.map(({ data }) => data.thinking)).toEqual(['One', 'Two']);
  });

  it('names its items without the opaque state', async () => {
    const { outcome } = start([[{ type: 'reasoning_end', replay: { enc: 'E1' }, itemId: 'rs_1' }, ...says('x')]]);
    const result = await outcome();
    expect(types(result)).toEqual(['reason.item', 'output.message.started']);
    expect(result.events[0]?.data).toEqual({
      turn_id: 'turn_00000000000000000000000000000001',
      provider: 'openai',
      item_id: 'rs_1',
      model: 'test-model',
    });
  });

  it('comes back to the same provider on the next step, calls under their planned ids', async () => {
    const first = start(
      [
        [
          { type: 'reasoning', delta: 'Hm' },
          { type: 'reasoning_end', replay: { s: 1 } },
          { type: 'tool_call', id: 'c1', name: 'echo', arguments: '{}', replay: { t: 2 } },
          finish('tool_calls'),
        ],
      ],
      { input: { messages: [userMessage('x'), agentMessage('', [{ id: 'c1', name: 'echo' }]), toolResult('c1', 1)] } },
    );
    const outcome = await first.outcome();
    const call = outcome.calls[0];
    expect(call?.id).toBe('call_0000000000000000000000000000000a_0');
    const answer = agentMessage('', [{ id: call?.id ?? '', name: 'echo' }], outcome.replay === undefined ? {} : { replay: outcome.replay });
    const second = start([says('y')], { input: { messages: [userMessage('x'), answer, toolResult(call?.id ?? '', 1)] } });
    await second.outcome();
    expect(second.models.requests[0]?.messages[1]).toEqual({
      role: 'assistant',
      providerType: 'openai',
      content: [
        { type: 'reasoning', text: 'Hm', replay: { s: 1 } },
        { type: 'tool_call', id: call?.id, name: 'echo', arguments: {}, replay: { t: 2 } },
      ],
    });
  });
});
