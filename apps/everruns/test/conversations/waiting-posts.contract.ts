import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compose, type Composition } from './composition.ts';
import { payload, type Match } from './conversation.ts';
import { withSetting } from './setting.ts';
import { WIRES, type Wire } from './wires.ts';

/** Posts that wait for the end of their turn (`?wait=true`), on the control plane that runs it and on another one. */

const WIRE = WIRES.find(({ protocol }) => protocol === 'anthropic') as Wire;

let composition: Composition;
beforeAll(async () => {
  composition = await compose({ servers: 2 });
});
afterAll(() => composition.close());

const rolesOf = ({ messages }: Match): unknown[] => (messages as Match[]).map(({ role }) => role);
const textsOf = ({ messages }: Match): unknown[] =>
  (messages as { content: { text?: string }[] }[]).flatMap(({ content }) =>
    content.flatMap(({ text }) => (text === undefined ? [] : [text])),
  );

describe('a post that waits', () => {
  it.each([0, 1])('is answered with all that the turn said (control plane %i)', (n) =>
    withSetting(composition, WIRE, async (setting) => {
      const chat = await setting.converse();
      setting.simulator.script(
        { text: 'Let me rest.', toolCalls: [{ name: 'test_sleep', arguments: { ms: 1 } }] },
        { text: 'Rested.', chunkDelayMs: 20 },
      );
      const answer = await composition.apis[n]?.call('POST', `/v1/sessions/${chat.id}/messages?wait=true`, {
        message: { content: [{ type: 'text', text: 'Rest.' }] },
      });
      expect(answer).toMatchObject({ status: 200, body: { status: 'completed', message: { role: 'user', delivery: 'started' } } });
      expect(rolesOf(answer?.body ?? {})).toEqual(['agent', 'tool_result', 'agent']);
      expect(textsOf(answer?.body ?? {})).toEqual(['Let me rest.', 'Rested.']);
      await chat.close();
    }),
  );

  it('says so when the turn failed, with the text for people', () =>
    withSetting(composition, WIRE, async (setting) => {
      const chat = await setting.converse();
      setting.simulator.script({ error: { status: 401 } });
      const { status, body } = await chat.post('Hello?', {}, '?wait=true');
      expect(status).toBe(200);
      expect(body).toMatchObject({
        status: 'failed',
        error: { code: expect.any(String) as string, message: expect.any(String) as string },
      });
      expect(textsOf(body)).toEqual(['I encountered an error while processing your request. Please try again later.']);
      await chat.close();
    }));

  it('gives back what there is when its time is up; the turn goes on', () =>
    withSetting(composition, WIRE, async (setting) => {
      const chat = await setting.converse();
      setting.simulator.script({ text: 'One two three four five six.', chunkDelayMs: 80 });
      const startedMs = performance.now();
      expect(await chat.post('Count.', {}, '?wait=true&timeout_ms=150')).toMatchObject({
        status: 202,
        body: { status: 'running', message: { sequence: 2 }, messages: [] },
      });
      expect(performance.now() - startedMs).toBeLessThan(1_500);
      await chat.until('turn.completed');
      await chat.close();
    }));

  it('and joins a running turn hears its end', () =>
    withSetting(composition, WIRE, async (setting) => {
      const chat = await setting.converse();
      setting.simulator.script({ text: 'One two three four.', chunkDelayMs: 60 }, { text: 'Five.' });
      await chat.post('Count.');
      await chat.untilText('One');
      const { status, body } = await chat.post('And then?', {}, '?wait=true');
      expect([status, body['status']]).toEqual([200, 'completed']);
      expect(body['message']).toMatchObject({ delivery: 'steered' });
      expect(textsOf(body)).toEqual(['One two three four.', 'Five.']);
      await chat.close();
    }));

  it('hears that the turn was cancelled', () =>
    withSetting(composition, WIRE, async (setting) => {
      const chat = await setting.converse();
      setting.simulator.script({ text: 'One two three four five six.', chunkDelayMs: 80 });
      const waiting = chat.post('Count.', {}, '?wait=true');
      await chat.untilText('One');
      await chat.cancel();
      expect(await waiting).toMatchObject({ status: 200, body: { status: 'failed', error: { code: 'turn_cancelled' } } });
      await chat.close();
    }));

  it('waits no longer than it said for a client that is asked for a tool', () =>
    withSetting(composition, WIRE, async (setting) => {
      const chat = await setting.converse();
      setting.simulator.script({ toolCalls: [{ name: 'look_up', arguments: { city: 'Wien' } }] }, { text: 'Sunny.' });
      const { status, body } = await chat.post('Wien?', {}, '?wait=true&timeout_ms=400');
      expect([status, body['status']]).toEqual([202, 'running']);
      const [call] = payload(chat.events, 'tool.call_requested')['tool_calls'] as [{ id: string }];
      await chat.answer([{ tool_call_id: call.id, result: 'sunny' }]);
      await chat.close();
    }));
});
