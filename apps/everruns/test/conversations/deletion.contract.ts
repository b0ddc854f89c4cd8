import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from './api-client.ts';
import { compose, type Composition } from './composition.ts';
import { payload, type Conversation } from './conversation.ts';
import { withSetting, type Setting } from './setting.ts';
import { WIRES, type Wire } from './wires.ts';

/** A session that is deleted while it works: nothing of it goes on, and nobody else notices. */

const WIRE = WIRES.find(({ protocol }) => protocol === 'anthropic') as Wire;

let composition: Composition;
beforeAll(async () => {
  composition = await compose({ servers: 2 });
});
afterAll(() => composition.close());

/** Tasks that run, that could, or that will; a client's deadline is forgotten when it comes. */
async function tasks(): Promise<number> {
  const text = `select (select count(*) from leases) + (select count(*) from ready) + (select count(*) from timers where kind = 'task') as n`;
  const [row] = await composition.db.run<{ n: number }>({ name: 'test_tasks', text });
  return Number(row?.n);
}

async function expectGone(setting: Setting, chat: Conversation): Promise<void> {
  const path = `/v1/sessions/${chat.id}`;
  for (const api of composition.apis) {
    expect(await api.call('GET', path)).toMatchObject({ status: 404, body: { code: 'not_found' } });
    expect(await api.call('GET', `${path}/events`)).toMatchObject({ status: 404 });
    expect(await api.call('GET', `${path}/sse`)).toMatchObject({ status: 404 });
    expect(await api.call('POST', `${path}/cancel`, {})).toMatchObject({ status: 404 });
    expect(await api.call('DELETE', path)).toMatchObject({ status: 404 });
  }
  expect(await chat.post('Still there?')).toMatchObject({ status: 404 });
  expect(await chat.submit([{ tool_call_id: 'call', result: 1 }])).toMatchObject({ status: 404 });
  await eventually(async () => (await tasks()) === 0, 'its tasks to be gone');
  const requests = setting.simulator.requests.length;
  const other = await setting.converse();
  setting.simulator.script({ text: 'All is well.' });
  expect(payload(await other.say('And you?'), 'turn.completed')).toMatchObject({ final_answer_preview: 'All is well.' });
  expect(setting.simulator.requests).toHaveLength(requests + 1);
  await other.close();
}

const remove = (chat: Conversation, through = 0) => composition.apis[through]?.call('DELETE', `/v1/sessions/${chat.id}`);

describe('a session that is deleted', () => {
  it.each([0, 1])('in the middle of an answer lets the provider go and ends its streams (control plane %i)', (through) =>
    withSetting(composition, WIRE, async (setting) => {
      const chat = await setting.converse();
      setting.simulator.script({ text: 'One two three four five six seven eight.', chunkDelayMs: 80 });
      await chat.post('Count.');
      await chat.untilText('two');
      expect(await remove(chat, through)).toMatchObject({ status: 204 });
      await eventually(() => setting.simulator.requests[0]?.outcome === 'aborted', 'the provider to be let go');
      await expectGone(setting, chat);
      await chat.leave();
    }),
  );

  it('while a tool hangs ends the tool', () =>
    withSetting(composition, WIRE, async (setting) => {
      const chat = await setting.converse();
      setting.simulator.script({ toolCalls: [{ name: 'test_block' }, { name: 'test_ignore_abort' }] });
      await chat.post('Go.');
      await chat.until('tool.progress');
      expect(await remove(chat)).toMatchObject({ status: 204 });
      await expectGone(setting, chat);
      await chat.leave();
    }));

  it('while it waits for its client forgets the wait', () =>
    withSetting(composition, WIRE, async (setting) => {
      const chat = await setting.converse();
      setting.simulator.script({ toolCalls: [{ name: 'look_up', arguments: { city: 'Wien' } }] });
      await chat.say('Wien?');
      expect(await remove(chat)).toMatchObject({ status: 204 });
      await expectGone(setting, chat);
      await chat.leave();
    }));

  it('while a post waits for it ends that post too', () =>
    withSetting(composition, WIRE, async (setting) => {
      const chat = await setting.converse();
      setting.simulator.script({ text: 'One two three four five six seven eight.', chunkDelayMs: 80 });
      const waiting = chat.post('Count.', {}, '?wait=true');
      await chat.untilText('One');
      expect(await remove(chat)).toMatchObject({ status: 204 });
      const { status } = await waiting;
      expect([200, 404]).toContain(status);
      await expectGone(setting, chat);
      await chat.leave();
    }));
});
