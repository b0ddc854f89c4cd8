import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from './api-client.ts';
import { compose, type Composition } from './composition.ts';
import { payload } from './conversation.ts';
import { received } from './received.ts';
import { withSetting } from './setting.ts';
import { WIRES, type Wire } from './wires.ts';

/** What hooks make of a prompt follows from the log: whoever takes a step over sends the very same request. */

const WIRE = WIRES.find(({ protocol }) => protocol === 'anthropic') as Wire;

const CAPABILITIES = [
  { ref: 'test_tools' },
  { ref: 'human_intent' },
  { ref: 'message_metadata' },
  { ref: 'current_time' },
  { ref: 'tool_search', config: { threshold: 5 } },
  { ref: 'loop_detection', config: { threshold: 2 } },
  { ref: 'output_truncation', config: { max_bytes: 512 } },
];

let composition: Composition;
beforeAll(async () => {
  composition = await compose();
});
afterAll(() => composition.close());

it('a worker that takes over asks byte for byte what the dead one asked, with what the model had looked up', () =>
  withSetting(composition, WIRE, async (setting) => {
    const { simulator } = setting;
    const search = { toolCalls: [{ name: 'tool_search', arguments: { query: 'test_sleep', max_results: 1 } }] };
    simulator.script(search, search, { stallAfter: 'headers' }, { text: 'Found it.' });
    const chat = await setting.converse({ capabilities: CAPABILITIES });
    const { body } = await chat.post('Look it up.');
    await eventually(() => simulator.requests.length === 3, 'the third call');
    composition.workers[0]?.link.kill();
    await composition.addWorker();
    const turn = await chat.turnFrom(Number(body['sequence']));
    expect(payload(turn, 'reason.recovered')).toMatchObject({ mode: 'restart' });
    expect(payload(turn, 'turn.completed')).toMatchObject({ final_answer_preview: 'Found it.' });
    expect(simulator.requests).toHaveLength(4);
    expect(JSON.stringify(simulator.requests[3]?.body)).toBe(JSON.stringify(simulator.requests[2]?.body));
    expect(received(simulator.requests[3]).at(-1)).toContain('called tool_search with the same arguments');
    expect(JSON.stringify(simulator.requests[3]?.body['tools'])).toContain('"ms":{"type":"number"}');
    await chat.close();
  }));
