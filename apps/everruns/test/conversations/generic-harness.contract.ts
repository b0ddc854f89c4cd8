import type { WireRequest } from '@everruns/providers/testing/wire-simulator';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { compose, type Composition } from './composition.ts';
import { payload, type Match } from './conversation.ts';
import { received, systemOf, toolsOf } from './received.ts';
import { withSetting } from './setting.ts';
import { WIRES } from './wires.ts';

/** The harness that new organizations get, with everything that it carries, on every wire. */

let composition: Composition;
beforeAll(async () => {
  composition = await compose();
});
afterAll(() => composition.close());

it.each(WIRES.filter(({ isOfficial }) => isOfficial !== true))('talks, acts and says what it is doing, over $name', (wire) =>
  withSetting(composition, wire, async (setting) => {
    const { simulator } = setting;
    const note = { path: '/workspace/note.txt', content: 'Hello' };
    simulator.script(
      { text: 'One moment.', toolCalls: [{ name: 'write_file', arguments: { ...note, human_intent: 'Writing a note' } }] },
      { text: 'It is written.' },
      { text: 'You are welcome.' },
    );
    const chat = await setting.converse({ harness_name: 'generic', capabilities: [], tools: [] });
    const turn = await chat.say('Write a note.');
    expect(payload(turn, 'tool.completed')).toMatchObject({ tool_name: 'write_file', success: true, executed_arguments: note });
    expect(payload(turn, 'turn.completed')).toMatchObject({ final_answer_preview: 'It is written.' });
    const file = await composition.api.expect<Match>('GET', `/v1/sessions/${chat.id}/fs/note.txt`);
    expect(file['content']).toBe('Hello');
    await chat.say('Thanks.');
    const [first, second, third] = simulator.requests as [WireRequest, WireRequest, WireRequest];
    expect(systemOf(first)).toContain('<capability id="human_intent">');
    expect(new Set(toolsOf(first)).size).toBe(toolsOf(first).length);
    expect(toolsOf(first)).toEqual(expect.arrayContaining(['write_file', 'tool_search']));
    // What was sent once is sent again, to the letter: the provider has it in its cache.
    expect(systemOf(third)).toBe(systemOf(first));
    expect(received(second).slice(0, received(first).length)).toEqual(received(first));
    expect(received(third).slice(0, received(second).length)).toEqual(received(second));
    expect(received(first)[0]).toMatch(/^user: \[\d{4}-.*Z\] Write a note\.$/);
    await chat.close();
  }),
);
