import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compose, type Composition } from './composition.ts';
import { expectEvents, payload } from './conversation.ts';
import { received } from './received.ts';
import { toSimulators, withSetting } from './setting.ts';
import { WIRES } from './wires.ts';

/** Messages that come while a turn runs. */

let composition: Composition;
beforeAll(async () => {
  composition = await compose({ worker: { fetch: toSimulators } });
});
afterAll(() => composition.close());

const STEERED = { status: 201, body: { delivery: 'steered' } };

describe.each(WIRES)('$name', (wire) => {
  it('a message in the middle of the last answer is answered in the same turn', () =>
    withSetting(composition, wire, async (setting) => {
      const chat = await setting.converse();
      setting.simulator.script({ text: 'One two three four five six.', chunkDelayMs: 60 }, { text: 'Seven.' }, { text: 'Eight.' });
      await chat.post('Count.');
      await chat.untilText('two');
      expect(await chat.post('And then?')).toMatchObject(STEERED);
      await chat.until('session.idled');
      expectEvents(chat.events.slice(1), [
        'input.message',
        'turn.started',
        'session.activated',
        ['reason.started', { iteration: 1 }],
        'output.message.started',
        ['input.message', { message: { content: [{ text: 'And then?' }] } }],
        ['llm.generation', { output: { text: 'One two three four five six.' } }],
        'reason.completed',
        ['output.message.completed', { message: { content: [{ text: 'One two three four five six.' }] } }],
        ['reason.started', { iteration: 2 }],
        'output.message.started',
        'llm.generation',
        'reason.completed',
        ['output.message.completed', { message: { content: [{ text: 'Seven.' }] } }],
        ['turn.completed', { iterations: 2, llm_call_count: 2, final_answer_preview: 'Seven.' }],
        'session.idled',
      ]);
      const asLived = ['user: Count.', 'assistant: One two three four five six.', 'user: And then?'];
      expect(received(setting.simulator.requests[1])).toEqual(asLived);
      await chat.say('Go on.');
      expect(received(setting.simulator.requests[2])).toEqual([...asLived, 'assistant: Seven.', 'user: Go on.']);
      await chat.close();
    }));

  it('messages while tools run are read together by the next step, behind the results', () =>
    withSetting(composition, wire, async (setting) => {
      const chat = await setting.converse();
      setting.simulator.script({ toolCalls: [{ name: 'test_sleep', arguments: { ms: 300, tell: true } }] }, { text: 'As you wish.' });
      await chat.post('Rest.');
      await chat.until('tool.progress');
      expect(await chat.post('Hurry up.')).toMatchObject(STEERED);
      expect(await chat.post('Please.')).toMatchObject(STEERED);
      await chat.until('session.idled');
      expect(payload(chat.events, 'turn.completed')).toMatchObject({ iterations: 2, tool_call_count: 1 });
      expect(chat.types.filter((type) => type === 'turn.started')).toHaveLength(1);
      expect(received(setting.simulator.requests[1])).toEqual([
        'user: Rest.',
        'call test_sleep {"ms":300,"tell":true}',
        'result {"slept_ms":300}',
        'user: Hurry up.',
        'user: Please.',
      ]);
      await chat.close();
    }));

  it('a message while a call fails gets an answer of its own', () =>
    withSetting(composition, wire, async (setting) => {
      const chat = await setting.converse();
      setting.simulator.script({ text: 'One two three four', chunkDelayMs: 60, cutAfter: 4 }, { text: 'Here I am again.' });
      await chat.post('Count.');
      await chat.untilText('two');
      expect(await chat.post('Still there?')).toMatchObject(STEERED);
      await chat.until('session.idled');
      expect(payload(chat.events, 'turn.completed')).toMatchObject({ iterations: 2, final_answer_preview: 'Here I am again.' });
      expect(chat.types).not.toContain('turn.failed');
      expect(received(setting.simulator.requests[1])).toEqual(['user: Count.', 'assistant: One two three four', 'user: Still there?']);
      await chat.close();
    }));
});
