import { afterAll, beforeAll, expect, it } from 'vitest';
import { compose, type Composition } from './composition.ts';
import { withSetting } from './setting.ts';
import { WIRES, type Wire } from './wires.ts';

/** A session that its agent looks at and names, through whole turns. */

const WIRE = WIRES.find(({ protocol }) => protocol === 'anthropic') as Wire;
let composition: Composition;
beforeAll(async () => {
  composition = await compose();
});
afterAll(() => composition.close());

it('is named once: the same title again is no event, and one that cannot be is an error', () =>
  withSetting(composition, WIRE, async (setting) => {
    const name = (title: string) => ({ name: 'write_session_title', arguments: { title } });
    const chat = await setting.converse({ title: 'New', capabilities: [{ ref: 'session', config: { auto_title: true } }] });
    setting.simulator.script(
      { toolCalls: [name(' Trip to Linz ')] },
      { toolCalls: [name('Trip to Linz'), name(' '), { name: 'get_session_info', arguments: {} }] },
      { text: 'Done.' },
    );
    const events = await chat.say('Plan my trip.');
    const updates = events.filter(({ type }) => type === 'session.title.updated');
    expect(updates.map(({ data }) => data)).toEqual([{ title: 'Trip to Linz', previous_title: 'New' }]);
    const results = events
      .filter(({ type }) => type === 'tool.completed')
      .map(({ data }) => JSON.stringify(data['result'] ?? data['error']));
    expect(results).toEqual(
      expect.arrayContaining([
        expect.stringContaining('"changed":true'),
        expect.stringContaining('"changed":false'),
        expect.stringContaining('must not be empty'),
        expect.stringMatching(/"id":"session_[0-9a-f]{32}".*"title":"Trip to Linz"|"title":"Trip to Linz".*"id":"session_/),
      ]),
    );
    const { body } = await composition.api.call('GET', `/v1/sessions/${chat.id}`);
    expect(body).toMatchObject({ title: 'Trip to Linz' });
  }));
