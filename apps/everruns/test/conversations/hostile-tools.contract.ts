import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compose, type Composition } from './composition.ts';
import { expectEvents, payload } from './conversation.ts';
import type { Conversation, Match } from './conversation.ts';
import { received } from './received.ts';
import { settingOf, type Setting } from './setting.ts';
import { WIRES, type Wire } from './wires.ts';

/** Tools that hang, that eat memory, that break their thread: what becomes of their call, and that nobody else notices. */

const LIMIT_MS = 3_000;
const WIRE = WIRES.find(({ protocol }) => protocol === 'anthropic') as Wire;

let composition: Composition;
let healthy: Setting;
beforeAll(async () => {
  composition = await compose({ worker: { env: { MAX_CONCURRENT_TASKS: '6' } } });
  healthy = await settingOf(composition, WIRE);
  healthy.simulator.answer(({ body }) => {
    const answered = JSON.stringify(body).includes('tool_result');
    return answered ? { text: 'Rested.' } : { toolCalls: [{ name: 'test_sleep', arguments: { ms: 5 } }] };
  });
});
afterAll(async () => {
  await healthy.close();
  await composition.close();
});

interface Call {
  name: string;
  arguments?: Match;
  /** Default: as long as any tool. */
  limitMs?: number;
}

async function withHostile(calls: Call[], work: (chat: Conversation, setting: Setting) => Promise<void>): Promise<void> {
  const setting = await settingOf(composition, WIRE);
  const toolCalls = calls.map(({ name, arguments: args = {} }) => ({ name, arguments: args as never }));
  setting.simulator.script({ toolCalls }, { text: 'So be it.' });
  const limitMs = calls.find((call) => call.limitMs !== undefined)?.limitMs;
  const config = limitMs === undefined ? {} : { config: { timeout_ms: limitMs } };
  const chat = await setting.converse({ capabilities: [{ ref: 'test_tools', ...config }] });
  try {
    await work(chat, setting);
  } finally {
    await setting.close();
  }
}

/** A whole turn with a tool of another session, on the same worker. */
async function expectOthersGoOn(): Promise<void> {
  const startedMs = performance.now();
  const chat = await healthy.converse();
  const turn = await chat.say('Rest a little.');
  expect(payload(turn, 'turn.completed')).toMatchObject({ final_answer_preview: 'Rested.', tool_call_count: 1 });
  expect(performance.now() - startedMs).toBeLessThan(8_000);
  await chat.close();
}

async function expectApiAnswers(): Promise<void> {
  const startedMs = performance.now();
  expect(await composition.api.call('GET', '/v1/sessions?limit=1')).toMatchObject({ status: 200 });
  expect(performance.now() - startedMs).toBeLessThan(1_000);
}

describe.concurrent('a call that never returns', () => {
  it.each(['test_block', 'test_ignore_abort'])('of %s is ended when its time is up, and the model is told', (name) =>
    withHostile([{ name, limitMs: LIMIT_MS }], async (chat, setting) => {
      const { body } = await chat.post('Go.');
      await chat.until('tool.progress');
      await expectApiAnswers();
      await expectOthersGoOn();
      const turn = await chat.turnFrom(Number(body['sequence']));
      expect(payload(turn, 'tool.completed')).toMatchObject({
        tool_name: name,
        success: false,
        status: 'timeout',
        error: expect.stringMatching(/did not end within .* effect/) as string,
      });
      expect(payload(turn, 'act.completed')).toMatchObject({ completed: true, success_count: 0, error_count: 1 });
      expect(payload(turn, 'turn.completed')).toMatchObject({ iterations: 2, final_answer_preview: 'So be it.' });
      expect(received(setting.simulator.requests[1]).at(-1)).toMatch(/^result .*did not end within/);
      await expectOthersGoOn();
      await chat.close();
    }),
  );

  it.each(['test_block', 'test_ignore_abort'])('of %s ends at once when the user cancels', (name) =>
    withHostile([{ name }], async (chat, setting) => {
      const { body } = await chat.post('Go.');
      await chat.until('tool.progress');
      const cancelledMs = performance.now();
      expect(await chat.cancel()).toMatchObject({ status: 200, body: { status: 'cancelled' } });
      const turn = await chat.turnFrom(Number(body['sequence']));
      expect(performance.now() - cancelledMs).toBeLessThan(1_000);
      expectEvents(turn.slice(turn.findIndex(({ type }) => type === 'tool.completed')), [
        ['tool.completed', { status: 'cancelled', success: false, error: expect.stringContaining('may have taken effect') as string }],
        ['act.completed', { completed: false }],
        'input.message',
        ['turn.cancelled', { reason: 'user_request' }],
        'session.idled',
      ]);
      expect(payload(await chat.say('And now?'), 'turn.completed')).toMatchObject({ final_answer_preview: 'So be it.' });
      expect(setting.simulator.requests).toHaveLength(2);
      await expectOthersGoOn();
      await chat.close();
    }),
  );

  it('holds up neither the other call of its batch nor more calls like it', () =>
    withHostile(
      [
        { name: 'test_block', limitMs: LIMIT_MS },
        { name: 'test_sleep', arguments: { ms: 1 } },
        { name: 'test_ignore_abort' },
        { name: 'test_block' },
      ],
      async (chat) => {
        const { body } = await chat.post('Go.');
        await chat.until('tool.completed', { where: (data) => data['tool_name'] === 'test_sleep' && data['success'] === true });
        expect(chat.types).not.toContain('act.completed');
        await expectOthersGoOn();
        const turn = await chat.turnFrom(Number(body['sequence']));
        expect(payload(turn, 'act.completed')).toMatchObject({ success_count: 1, error_count: 3 });
        expect(payload(turn, 'turn.completed')).toMatchObject({ final_answer_preview: 'So be it.' });
        await chat.close();
      },
    ));
});

describe('a call that breaks', () => {
  it.each<[string, Match, RegExp]>([
    ['test_allocate', { kind: 'heap' }, /needed more than \d+ MiB/],
    ['test_allocate', { kind: 'buffers' }, /needed more than \d+ MiB/],
    ['test_fail', { how: 'throw' }, /internal error/],
    ['test_fail', { how: 'reject' }, /internal error|ended/],
    ['test_fail', { how: 'exit' }, /internal error|ended/],
    ['test_fail', { how: 'error' }, /^It did not work out\.$/],
  ])('(%s %o) is told to the model in words, and the worker goes on', (name, args, text) =>
    withHostile([{ name, arguments: args }], async (chat, setting) => {
      const turn = await chat.say('Go.');
      const { success, error } = payload(turn, 'tool.completed');
      expect([success, error]).toEqual([false, expect.stringMatching(text) as string]);
      expect(String(error)).not.toMatch(/a bug in the tool|nobody waits|at .*\.ts/);
      expect(payload(turn, 'turn.completed')).toMatchObject({ final_answer_preview: 'So be it.' });
      expect(received(setting.simulator.requests[1]).at(-1)).toMatch(/^result /);
      await expectOthersGoOn();
      await chat.close();
    }),
  );

  it('with too much to say is cut to 64 KiB, in the log and for the model', () =>
    withHostile([{ name: 'test_big_result', arguments: { bytes: 5_000_000 } }], async (chat, setting) => {
      const turn = await chat.say('Go.');
      expect(payload(turn, 'tool.completed')).toMatchObject({ success: true });
      const stored = JSON.stringify(payload(turn, 'tool.completed')['result']);
      expect(Buffer.byteLength(stored)).toBeGreaterThan(32_000);
      expect(Buffer.byteLength(stored)).toBeLessThan(70_000);
      expect(Buffer.byteLength(received(setting.simulator.requests[1]).at(-1) ?? '')).toBeLessThan(70_000);
      await chat.close();
    }));

  it('in the thread behind an earlier answer harms nobody', () =>
    withHostile([{ name: 'test_poison' }], async (chat) => {
      const turn = await chat.say('Go.');
      expect(payload(turn, 'tool.completed')).toMatchObject({ success: true });
      await Promise.all([expectOthersGoOn(), expectOthersGoOn(), expectOthersGoOn()]);
      await chat.close();
    }));
});
