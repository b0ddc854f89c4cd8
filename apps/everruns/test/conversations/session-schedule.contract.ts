import { afterAll, beforeAll, expect, it } from 'vitest';
import { compose, type Composition } from './composition.ts';
import { withSetting } from './setting.ts';
import { WIRES, type Wire } from './wires.ts';

/** An agent that has itself told something later, through whole turns: the second one nobody but its schedule began. */

const WIRE = WIRES.find(({ protocol }) => protocol === 'anthropic') as Wire;
let composition: Composition;
beforeAll(async () => {
  composition = await compose();
});
afterAll(() => composition.close());

it('is told what it has scheduled, when the time has come', () =>
  withSetting(composition, WIRE, async (setting) => {
    const chat = await setting.converse({ capabilities: [{ ref: 'session_schedule' }] });
    const soon = new Date(Date.now() + 3_000).toISOString();
    const create = (args: Record<string, string>) => ({ name: 'create_schedule', arguments: args });
    setting.simulator.script(
      {
        toolCalls: [
          create({ message: 'Water the plants', scheduled_at: soon }),
          create({ message: 'Daily report', cron_expression: '0 9 * * *', timezone: 'Europe/Vienna' }),
          create({ message: 'Too often', cron_expression: '* * * * *' }),
          create({ message: 'Both', cron_expression: '0 9 * * *', scheduled_at: soon }),
          create({ message: 'Past', scheduled_at: '2020-01-01T00:00:00Z' }),
          create({ message: 'Nowhere', cron_expression: '0 9 * * *', timezone: 'Mars/Olympus' }),
          { name: 'cancel_schedule', arguments: { schedule_id: 'nonsense' } },
        ],
      },
      { text: 'Scheduled.' },
      { toolCalls: [{ name: 'list_schedules', arguments: {} }] },
      { text: 'Watered.' },
    );
    const first = await chat.say('Remind me.');
    const ended = first.filter(({ type }) => type === 'tool.completed').map(({ data }) => JSON.stringify(data['result'] ?? data['error']));
    expect(ended).toEqual(
      expect.arrayContaining([
        expect.stringContaining('"message":"Water the plants"'),
        expect.stringContaining('"timezone":"Europe/Vienna"'),
        expect.stringContaining('at least 300 s'),
        expect.stringContaining('either scheduled_at or cron_expression'),
        expect.stringContaining('must be in the future'),
        expect.stringContaining('is not a time zone'),
        expect.stringContaining('"cancelled":false'),
      ]),
    );
    const second = await chat.turnFrom(chat.position + 1);
    const input = second.find(({ type }) => type === 'input.message');
    expect(JSON.stringify(input?.data)).toContain('Water the plants');
    expect(second.filter(({ type }) => type === 'schedule.triggered').map(({ data }) => data)).toMatchObject([
      { prompt: 'Water the plants' },
    ]);
    const listed = second.find(({ type }) => type === 'tool.completed');
    expect(JSON.stringify(listed?.data['result'])).toContain('"trigger_count":1');
  }));
