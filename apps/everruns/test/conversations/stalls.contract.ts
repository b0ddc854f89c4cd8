import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { compose, type Composition } from './composition.ts';
import { expectEvents } from './conversation.ts';
import { expectUsable, toSimulators, withSetting } from './setting.ts';
import { WIRES } from './wires.ts';

/** Providers that fall silent and keep the connection. The product waits two minutes; these tests have less time. */

const STALL_MS = 1_000;
vi.setConfig({ maxConcurrency: 15 });

let composition: Composition;
beforeAll(async () => {
  composition = await compose({ worker: { fetch: toSimulators, stallTimeoutMs: STALL_MS } });
});
afterAll(() => composition.close());

describe.concurrent.each(WIRES)('$name', (wire) => {
  it('that falls silent before the first token is asked again', () =>
    withSetting(composition, wire, async (setting) => {
      const chat = await setting.converse();
      setting.simulator.script({ stallAfter: 0, text: 'never said' }, { text: 'One two three.' });
      const turn = await chat.say('Count.');
      expectEvents(turn.slice(3), [
        ['reason.started', { attempt: 1 }],
        'output.message.started',
        ['llm.generation', { metadata: { success: true, retry: { attempts: 1 } } }],
        ['reason.completed', { success: true }],
        ['output.message.completed', { message: { content: [{ type: 'text', text: 'One two three.' }] } }],
        'turn.completed',
        'session.idled',
      ]);
      expect(setting.simulator.requests.map(({ outcome }) => outcome)).toEqual(['aborted', 'complete']);
      await chat.close();
    }));

  it('that falls silent after its first words: they are kept, and it is not asked again', () =>
    withSetting(composition, wire, async (setting) => {
      const chat = await setting.converse();
      setting.simulator.script({ stallAfter: 2, text: 'one two three four' });
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
      expect(setting.simulator.requests.map(({ outcome }) => outcome)).toEqual(['aborted']);
      await expectUsable(setting, chat, ['user: Count.', 'assistant: one two ']);
    }));

  it('that never answers is given up after three attempts, each ended at its side too', () =>
    withSetting(composition, wire, async (setting) => {
      const chat = await setting.converse();
      setting.simulator.answer(() => ({ stallAfter: 'request' }));
      const turn = await chat.say('Anybody?');
      expectEvents(turn.slice(4), [
        ['llm.generation', { metadata: { success: false, retry: { attempts: 2 } } }],
        ['reason.completed', { success: false }],
        ['output.message.completed', { error_code: 'provider_unavailable' }],
        ['turn.failed', { error_code: 'provider_unavailable' }],
        'session.idled',
      ]);
      expect(setting.simulator.requests.map(({ outcome }) => outcome)).toEqual(['aborted', 'aborted', 'aborted']);
      await expectUsable(setting, chat, ['user: Anybody?']);
    }));
});
