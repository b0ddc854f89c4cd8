import type { WireReply } from '@everruns/providers/testing/wire-simulator';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { compose, type Composition } from './composition.ts';
import { expectEvents, payload, type Expected } from './conversation.ts';
import { received } from './received.ts';
import { expectUsable, toSimulators, withSetting } from './setting.ts';
import { WIRES, type Wire } from './wires.ts';

/** Answers that begin well, or look as if, and then do not end as they should. */

// Most of the time goes by in waits between attempts.
vi.setConfig({ maxConcurrency: 10 });

let composition: Composition;
beforeAll(async () => {
  composition = await compose({ worker: { fetch: toSimulators } });
});
afterAll(() => composition.close());

const FAILED: readonly Expected[] = [
  ['llm.generation', { metadata: { success: false } }],
  ['reason.completed', { success: false, has_tool_calls: false }],
];

describe.concurrent.each(WIRES)('$name', (wire) => {
  it.each<[string, WireReply]>([
    ['before the headers', { cutAfter: 'request' }],
    ['after the headers', { cutAfter: 'headers' }],
    ['before the first token', { cutAfter: 0, text: 'never said' }],
    ['before the first token, in good order', { endAfter: 0, text: 'never said' }],
  ])('an answer that breaks off %s is asked for again', (_, broken) =>
    withSetting(composition, wire, async (setting) => {
      const chat = await setting.converse();
      setting.simulator.script(broken, { text: 'One two three.' });
      const turn = await chat.say('Count.');
      expectEvents(turn.slice(3), [
        ['reason.started', { attempt: 1 }],
        'output.message.started',
        ['llm.generation', { metadata: { success: true, retry: { attempts: 1, total_wait_ms: expect.any(Number) as number } } }],
        ['reason.completed', { success: true }],
        ['output.message.completed', { message: { content: [{ type: 'text', text: 'One two three.' }] } }],
        'turn.completed',
        'session.idled',
      ]);
      expect(setting.simulator.requests).toHaveLength(2);
      await chat.close();
    }),
  );

  it.each<[string, WireReply]>([
    ['is cut', { cutAfter: 2, text: 'one two three four' }],
    ['ends without its end', { endAfter: 2, text: 'one two three four' }],
    ['turns into an error', { text: 'one two ', streamError: { status: 500, message: 'The engine stumbled.' } }],
  ])('an answer that %s after its first words keeps them, and is not asked for again', (_, broken) =>
    withSetting(composition, wire, async (setting) => {
      const chat = await setting.converse();
      setting.simulator.script(broken);
      const turn = await chat.say('Count.');
      expectEvents(turn.slice(3), [
        'reason.started',
        'output.message.started',
        ['llm.generation', { output: { text: 'one two ' }, metadata: { success: false } }],
        ['reason.completed', { success: false, text_preview: 'one two ' }],
        ['output.message.completed', { message: { content: [{ type: 'text', text: 'one two ' }] } }],
        ['output.message.completed', { error_code: 'provider_unavailable' }],
        ['turn.failed', { error_code: 'provider_unavailable' }],
        'session.idled',
      ]);
      expect(setting.simulator.requests).toHaveLength(1);
      await expectUsable(setting, chat, ['user: Count.', 'assistant: one two ']);
    }),
  );

  it.each<[string, WireReply]>([
    ['a web page', { garbage: { body: '<html><body>Welcome to nginx!</body></html>' } }],
    ['broken events', { garbage: { body: 'data: {"half":\n\n', contentType: 'text/event-stream' } }],
    ['an unexpected object', { garbage: { body: '{"ok":true}', contentType: 'application/json' } }],
  ])('%s instead of an answer fails the turn at once', (_, reply) =>
    withSetting(composition, wire, async (setting) => {
      const chat = await setting.converse();
      setting.simulator.script(reply);
      const turn = await chat.say('Hello?');
      expectEvents(turn.slice(4), [
        ...FAILED,
        ['output.message.completed', { error_code: 'provider_unavailable' }],
        ['turn.failed', { error_code: 'provider_unavailable' }],
        'session.idled',
      ]);
      expect(setting.simulator.requests).toHaveLength(1);
      await expectUsable(setting, chat, ['user: Hello?']);
    }),
  );
});

describe.concurrent.each(WIRES.filter(({ thinks }) => thinks))('$name, thinking', (wire) => {
  it('an answer that is cut in the middle of a thought shows it, and is not asked for again', () =>
    withSetting(composition, wire, async (setting) => {
      const chat = await setting.converse();
      setting.simulator.script({ thinking: { text: 'Hm, let me see.' }, text: 'never said', cutAfter: 2 });
      const turn = await chat.say('Think.', { controls: { reasoning: { effort: 'low' } } });
      expectEvents(turn.slice(4), [
        'reason.thinking.started',
        ['reason.thinking.completed', { thinking: 'Hm, let ' }],
        ...FAILED,
        ['output.message.completed', { error_code: 'provider_unavailable' }],
        ['turn.failed', { error_code: 'provider_unavailable' }],
        'session.idled',
      ]);
      expect(setting.simulator.requests).toHaveLength(1);
      await expectUsable(setting, chat, ['user: Think.']);
    }));
});

describe.concurrent.each(WIRES.filter(({ protocol }) => protocol !== 'google'))('$name, calling tools', (wire) => {
  it('broken JSON in the arguments of a call is told to the model, and the turn goes on', () =>
    withSetting(composition, wire, async (setting) => {
      const chat = await setting.converse();
      const toolCalls = [
        { name: 'look_up', rawArguments: '{"city": "Wi' },
        { name: 'test_sleep', arguments: { ms: 1 } },
        { name: 'no_such_tool', arguments: {} },
      ];
      setting.simulator.script({ toolCalls }, { text: 'My mistake.' });
      const turn = await chat.say('Look Wien up.');
      expectEvents(turn.slice(4, 8), ['llm.generation', 'reason.completed', 'output.message.completed', 'act.started']);
      const ends = new Map(turn.filter(({ type }) => type === 'tool.completed').map(({ data }) => [data['tool_name'], data]));
      expect(ends.get('look_up')).toMatchObject({
        success: false,
        status: 'error',
        error: expect.stringContaining('not valid JSON') as string,
      });
      expect(ends.get('test_sleep')).toMatchObject({ success: true });
      expect(ends.get('no_such_tool')).toMatchObject({
        status: 'error',
        error: expect.stringContaining('no tool named "no_such_tool"') as string,
      });
      expect(payload(turn, 'act.completed')).toMatchObject({ completed: true, success_count: 1, error_count: 2 });
      expect(payload(turn, 'turn.completed')).toMatchObject({ iterations: 2, tool_call_count: 3 });
      expect(turn.some(({ type }) => type === 'tool.call_requested')).toBe(false);
      expect(received(setting.simulator.requests[1]).slice(-6)).toEqual([
        'call look_up {}',
        'call test_sleep {"ms":1}',
        'call no_such_tool {}',
        expect.stringContaining('not valid JSON') as string,
        'result {"slept_ms":1}',
        expect.stringContaining('no_such_tool') as string,
      ]);
      await chat.close();
    }));
});

describe('Gemini, calling tools', () => {
  const wire = WIRES.find(({ protocol }) => protocol === 'google') as Wire;

  it('reports a broken call itself instead of sending it: the turn fails', () =>
    withSetting(composition, wire, async (setting) => {
      const chat = await setting.converse();
      setting.simulator.script({ toolCalls: [{ name: 'look_up', rawArguments: '{"city": "Wi' }] });
      const turn = await chat.say('Look Wien up.');
      expect(payload(turn, 'turn.failed')).toMatchObject({ error_code: 'processing_error' });
      await expectUsable(setting, chat, ['user: Look Wien up.']);
    }));
});
