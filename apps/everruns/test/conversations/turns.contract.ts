import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compose, type Composition } from './composition.ts';
import { expectEvents, payload } from './conversation.ts';
import type { Expected } from './conversation.ts';
import { keyOf, received, systemOf, toolsOf } from './received.ts';
import { settingOf, toSimulators, type Setting } from './setting.ts';
import { WIRES, type Wire } from './wires.ts';

let composition: Composition;
beforeAll(async () => {
  composition = await compose({ worker: { fetch: toSimulators } });
});
afterAll(() => composition.close());

const STATE = 'EqQBCkYIBBgCKkD+/sig==';

/** How a step's thinking shows in the log. */
function thinkingEvents(wire: Wire, thinking: string): Expected[] {
  const item: Expected[] = wire.protocol === 'responses' ? [['reason.item', { provider: 'openai', summary: [thinking] }]] : [];
  return [['reason.thinking.started', { model: wire.model }], ['reason.thinking.completed', { thinking }], ...item];
}

/** Where the state stands in the request: bound to the call on Gemini's wire, before the text elsewhere; where nothing is signed its text is what counts. */
function withThought(wire: Wire, lines: { text: string; calls: string[] }, thinking: string): string[] {
  if (wire.protocol === 'google') return [lines.text, `thought: ${STATE}`, ...lines.calls];
  return [`thought: ${wire.signs ? STATE : thinking}`, lines.text, ...lines.calls];
}

/** 1,000 tokens in, of them 800 from the cache (with Anthropic 50 into it), and 20 out; nobody knows what a server of one's own costs. */
const CACHED_CALL_USD: Readonly<Record<string, number>> = {
  'gpt-5.4-mini': 0.0003,
  'gpt-4.1-mini': 0.000192,
  'claude-sonnet-4-6': 0.0011775,
  'gemini-3.5-flash': 0.0006,
};

describe.each(WIRES)('$name', (wire) => {
  let setting: Setting;
  beforeAll(async () => {
    setting = await settingOf(composition, wire, { requiresThinking: wire.signs });
  });
  afterAll(() => setting.close());

  it('answers in text, turn after turn', async () => {
    const { simulator } = setting;
    simulator.reset();
    const chat = await setting.converse({ system_prompt: 'Be brief.' });
    simulator.script(
      { text: 'It is sunny today.', usage: { inputTokens: 20, outputTokens: 6 } },
      { text: 'Warm.', usage: { inputTokens: 30, outputTokens: 2 } },
    );
    const first = await chat.say('How is the weather?');
    expectEvents(first, [
      ['input.message', { message: { role: 'user', content: [{ type: 'text', text: 'How is the weather?' }] } }],
      ['turn.started', { input_content: 'How is the weather?' }],
      'session.activated',
      ['reason.started', { attempt: 1, iteration: 1 }],
      ['output.message.started', { iteration: 1, model: wire.model }],
      [
        'llm.generation',
        {
          output: { text: 'It is sunny today.' },
          metadata: { success: true, usage: { input_tokens: 20, output_tokens: 6 }, finish_reasons: ['stop'], response_id: 'resp_0' },
        },
      ],
      ['reason.completed', { success: true, has_tool_calls: false, tool_call_count: 0, usage: { input_tokens: 20, output_tokens: 6 } }],
      [
        'output.message.completed',
        {
          message: { role: 'agent', phase: 'final_answer', content: [{ type: 'text', text: 'It is sunny today.' }] },
          metadata: { model: wire.model },
          usage: { input_tokens: 20, output_tokens: 6 },
        },
      ],
      [
        'turn.completed',
        {
          iterations: 1,
          llm_call_count: 1,
          tool_call_count: 0,
          stop_reason: 'end_turn',
          usage: { input_tokens: 20, output_tokens: 6 },
          final_answer_preview: 'It is sunny today.',
        },
      ],
      ['session.idled', { iterations: 1, usage: { input_tokens: 20, output_tokens: 6 } }],
    ]);
    expect(payload(first, 'llm.generation')['metadata']).not.toHaveProperty('retry');
    const second = await chat.say('And tomorrow?');
    expect(payload(second, 'turn.completed')).toMatchObject({ usage: { input_tokens: 30, output_tokens: 2 } });
    expect(payload(second, 'session.idled')).toMatchObject({ usage: { input_tokens: 50, output_tokens: 8 } });
    expect(await chat.session()).toMatchObject({ status: 'idle', usage: { input_tokens: 50, output_tokens: 8 } });
    expect(simulator.requests.map(received)).toEqual([
      ['user: How is the weather?'],
      ['user: How is the weather?', 'assistant: It is sunny today.', 'user: And tomorrow?'],
    ]);
    for (const request of simulator.requests) {
      expect(request).toMatchObject({ protocol: wire.protocol, model: wire.model, outcome: 'complete' });
      expect(keyOf(request)).toMatch(/^sk-test-/);
      expect(systemOf(request)).toMatch(/^<system-prompt tier="session">\nBe brief\.\n<\/system-prompt>/);
      expect(toolsOf(request)).toContain('look_up');
    }
    await chat.close();
  });

  it('runs two tools of one answer beside each other, and replays what the model thought', async () => {
    const { simulator } = setting;
    simulator.reset();
    const chat = await setting.converse();
    const thinking = 'Two naps are needed.';
    const usage = { inputTokens: 100, outputTokens: 40, reasoningTokens: 10 };
    simulator.script(
      {
        ...(wire.thinks ? { thinking: { text: thinking, state: STATE } } : {}),
        text: 'Let me rest.',
        toolCalls: [
          { name: 'test_sleep', arguments: { ms: 40 } },
          { name: 'test_sleep', arguments: { ms: 1 } },
        ],
        usage,
      },
      { text: 'Rested.', usage: { inputTokens: 150, outputTokens: 3 } },
      { text: 'You are welcome.' },
    );
    const turn = await chat.say('Rest twice.', wire.thinks ? { controls: { reasoning: { effort: 'medium' } } } : {});
    const counted = { input_tokens: 100, output_tokens: 40 };
    expectEvents(turn, [
      'input.message',
      'turn.started',
      'session.activated',
      'reason.started',
      ...(wire.thinks ? thinkingEvents(wire, thinking) : []),
      'output.message.started',
      ['llm.generation', { output: { text: 'Let me rest.' }, metadata: { usage: counted, finish_reasons: ['tool_calls'] } }],
      ['reason.completed', { success: true, has_tool_calls: true, tool_call_count: 2, usage: counted }],
      ['output.message.completed', { message: { phase: 'commentary', ...(wire.thinks ? { thinking } : {}) } }],
      ['act.started', { tool_calls: [{ name: 'test_sleep' }, { name: 'test_sleep' }] }],
      ['tool.started', { tool_call: { name: 'test_sleep' }, attempt: 1 }],
      ['tool.started', { tool_call: { name: 'test_sleep' }, attempt: 1 }],
      ['tool.completed', { success: true, status: 'success', result: [{ type: 'tool_result' }] }],
      ['tool.completed', { success: true, status: 'success', result: [{ type: 'tool_result' }] }],
      ['act.completed', { completed: true, success_count: 2, error_count: 0 }],
      ['reason.started', { iteration: 2 }],
      ['output.message.started', { iteration: 2 }],
      'llm.generation',
      ['reason.completed', { has_tool_calls: false }],
      ['output.message.completed', { message: { phase: 'final_answer', content: [{ text: 'Rested.' }] } }],
      ['turn.completed', { iterations: 2, llm_call_count: 2, tool_call_count: 2, usage: { input_tokens: 250, output_tokens: 43 } }],
      'session.idled',
    ]);
    expect(JSON.stringify(await chat.log()) + JSON.stringify(await chat.messages())).not.toContain(STATE);
    await chat.say('Thank you.');
    const calls = ['call test_sleep {"ms":40}', 'call test_sleep {"ms":1}'];
    const exchange = { text: 'assistant: Let me rest.', calls };
    const results = ['result {"slept_ms":40}', 'result {"slept_ms":1}'];
    const spoken = wire.thinks ? withThought(wire, exchange, thinking) : [exchange.text, ...calls];
    expect(received(simulator.requests[1])).toEqual(['user: Rest twice.', ...spoken, ...results]);
    // Unsigned thinking belongs to its turn: some servers refuse it later.
    const later = wire.signs ? spoken : [exchange.text, ...calls];
    expect(received(simulator.requests[2])).toEqual(['user: Rest twice.', ...later, ...results, 'assistant: Rested.', 'user: Thank you.']);
    await chat.close();
  });

  it('waits for tools of the client after its own have run, and takes answers one by one', async () => {
    const { simulator } = setting;
    simulator.reset();
    const chat = await setting.converse();
    simulator.script(
      {
        text: 'I ask around.',
        toolCalls: [
          { name: 'look_up', arguments: { city: 'Wien' } },
          { name: 'test_sleep', arguments: { ms: 1 } },
          { name: 'look_up', arguments: { city: 'Linz' } },
        ],
      },
      { text: 'Sunny and rainy.' },
    );
    const asked = await chat.say('Wien or Linz?');
    expectEvents(asked.slice(-4), [
      ['act.started', { tool_calls: [{ name: 'look_up' }, { name: 'test_sleep' }, { name: 'look_up' }] }],
      ['tool.started', { tool_call: { name: 'test_sleep' } }],
      ['tool.completed', { tool_name: 'test_sleep' }],
      [
        'tool.call_requested',
        {
          tool_calls: [
            { name: 'look_up', arguments: { city: 'Wien' } },
            { name: 'look_up', arguments: { city: 'Linz' } },
          ],
        },
      ],
    ]);
    expect(await chat.session()).toMatchObject({ status: 'waitingfortoolresults', status_detail: 'waiting_for_tool_results' });
    const [wien, linz] = payload(asked, 'tool.call_requested')['tool_calls'] as [{ id: string }, { id: string }];
    expect(await chat.submit([{ tool_call_id: linz.id, error: 'No connection to Linz.' }])).toEqual({
      status: 200,
      body: { accepted: 1, status: 'waitingfortoolresults' },
    });
    await chat.until('tool.completed', { where: (data) => data['tool_call_id'] === linz.id && data['success'] === false });
    const rest = await chat.answer([{ tool_call_id: wien.id, result: { sky: 'sunny' } }]);
    expectEvents(rest, [
      ['tool.completed', { tool_call_id: wien.id, tool_name: 'look_up', success: true }],
      ['act.completed', { completed: true, success_count: 2, error_count: 1 }],
      'reason.started',
      'output.message.started',
      'llm.generation',
      'reason.completed',
      'output.message.completed',
      ['turn.completed', { iterations: 2, tool_call_count: 3 }],
      'session.idled',
    ]);
    expect(received(simulator.requests[1]).slice(-3)).toEqual([
      'result {"sky":"sunny"}',
      'result {"slept_ms":1}',
      expect.stringContaining('No connection to Linz.') as string,
    ]);
    await chat.close();
  });

  it('counts cached tokens, each at its own price', async () => {
    const { simulator } = setting;
    simulator.reset();
    const chat = await setting.converse();
    const creates = wire.protocol === 'anthropic' ? { cacheCreationTokens: 50 } : {};
    simulator.script({ text: 'Ok.', usage: { inputTokens: 1_000, outputTokens: 20, cacheReadTokens: 800, ...creates } });
    const turn = await chat.say('Again.');
    const usage = {
      input_tokens: 1_000,
      output_tokens: 20,
      cache_read_tokens: 800,
      ...(wire.protocol === 'anthropic' ? { cache_creation_tokens: 50 } : {}),
      ...(CACHED_CALL_USD[wire.model] === undefined ? {} : { estimated_cost_usd: CACHED_CALL_USD[wire.model] }),
    };
    expect(payload(turn, 'reason.completed')['usage']).toEqual(usage);
    expect(payload(turn, 'turn.completed')['usage']).toEqual(usage);
    expect(payload(turn, 'session.idled')['usage']).toMatchObject(usage);
    expect(await chat.session()).toMatchObject({ usage });
    await chat.close();
  });
});
