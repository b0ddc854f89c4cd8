import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compose, type Composition } from './composition.ts';
import { expectEvents, payload, type Conversation, type Match } from './conversation.ts';
import { received } from './received.ts';
import { withSetting, type Setting } from './setting.ts';
import { WIRES, type Wire } from './wires.ts';

/** A turn that waits for its client: who may go on with it, and with what. */

const WIRE = WIRES.find(({ protocol }) => protocol === 'anthropic') as Wire;
const CITIES = ['Wien', 'Linz'];

let composition: Composition;
beforeAll(async () => {
  composition = await compose({ servers: 2 });
});
afterAll(() => composition.close());

interface Waiting {
  setting: Setting;
  chat: Conversation;
  /** Ids of the two open calls. */
  calls: [string, string];
  /** Key of the message that began the turn. */
  key: string;
}

function whileWaiting(work: (waiting: Waiting) => Promise<void>): Promise<void> {
  return withSetting(composition, WIRE, async (setting) => {
    setting.simulator.script(
      { toolCalls: CITIES.map((city) => ({ name: 'look_up', arguments: { city } })) },
      { text: 'Thank you.' },
      { text: 'Bye.' },
    );
    const chat = await setting.converse();
    const key = randomUUID();
    const asked = await chat.say('Wien or Linz?', { client_message_id: key });
    const [first, second] = payload(asked, 'tool.call_requested')['tool_calls'] as [{ id: string }, { id: string }];
    await work({ setting, chat, calls: [first.id, second.id], key });
    await chat.close();
  });
}

const answered = (id: string, result: unknown = 'sunny') => ({ tool_call_id: id, result });

describe('a second message', () => {
  it('gives the wait up: the open calls are interrupted, and the turn goes on with the message', () =>
    whileWaiting(async ({ setting, chat, calls }) => {
      await chat.submit([answered(calls[0])]);
      const { position } = chat;
      expect(await chat.post('Never mind.')).toMatchObject({ status: 201, body: { delivery: 'resumed' } });
      const rest = await chat.turnFrom(position + 1);
      expectEvents(
        rest.filter(({ data }) => data['tool_call_id'] !== calls[0]),
        [
          [
            'tool.completed',
            { tool_call_id: calls[1], success: false, status: 'cancelled', error: expect.stringMatching(/^Interrupted/) as string },
          ],
          ['act.completed', { completed: true, success_count: 1, error_count: 1 }],
          ['input.message', { message: { content: [{ text: 'Never mind.' }] } }],
          'session.activated',
          ['reason.started', { iteration: 2 }],
          'output.message.started',
          'llm.generation',
          'reason.completed',
          'output.message.completed',
          ['turn.completed', { iterations: 2 }],
          'session.idled',
        ],
      );
      expect(received(setting.simulator.requests[1])).toEqual([
        'user: Wien or Linz?',
        'call look_up {"city":"Wien"}',
        'call look_up {"city":"Linz"}',
        'result sunny',
        expect.stringMatching(/^result .*Interrupted/) as string,
        'user: Never mind.',
      ]);
      expect(await chat.submit([answered(calls[1])])).toMatchObject({ status: 409 });
    }));

  it('that is the first one again changes nothing', () =>
    whileWaiting(async ({ chat, calls, key }) => {
      const { position } = chat;
      const again = await chat.post('Wien or Linz?', { client_message_id: key });
      expect(again).toMatchObject({ status: 200, body: { delivery: 'duplicate', sequence: 2 } });
      expect((await chat.log()).length).toBe(position);
      expect(await chat.session()).toMatchObject({ status: 'waitingfortoolresults' });
      await chat.answer(calls.map((id) => answered(id)));
    }));

  it('that gave the wait up is known when it is sent again', () =>
    whileWaiting(async ({ chat }) => {
      const key = randomUUID();
      const sent = await Promise.all([1, 2, 3].map(() => chat.post('Never mind.', { client_message_id: key })));
      expect(sent.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 200, 201]);
      expect(new Set(sent.map(({ body }) => body['id'])).size).toBe(1);
      await chat.until('session.idled');
      expect(await chat.post('Never mind.', { client_message_id: key })).toMatchObject({ status: 200, body: { delivery: 'duplicate' } });
      expect(chat.payloads('input.message')).toHaveLength(2);
    }));
});

describe('results', () => {
  it('are taken once, however often and through whichever control plane they are sent', () =>
    whileWaiting(async ({ chat, calls }) => {
      const body = { tool_results: calls.map((id) => answered(id)) };
      const path = `/v1/sessions/${chat.id}/tool-results`;
      const answers = await Promise.all(
        [...composition.apis, ...composition.apis, ...composition.apis].map((api) => api.call('POST', path, body)),
      );
      expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
      expect(answers.map(({ body: { accepted } }) => Number(accepted)).toSorted((a, b) => a - b)).toEqual([0, 0, 0, 0, 0, 2]);
      await chat.until('session.idled');
      expect(chat.payloads('tool.completed')).toHaveLength(2);
      expect(await chat.submit([answered(calls[0])])).toMatchObject({ status: 200, body: { accepted: 0 } });
    }));

  it('that are too large for a prompt are kept in files, and the model gets their heads; sent again, they are the same', () =>
    whileWaiting(async ({ setting, chat, calls }) => {
      const list = Array.from({ length: 20_000 }, (_, n) => `item ${n}`);
      const text = 'broken\n'.repeat(30_000);
      const results = [answered(calls[0], { list }), { tool_call_id: calls[1], error: text }];
      expect(await chat.submit([...results, answered('call_unknown')])).toMatchObject({ status: 400 });
      expect(await chat.submit([results[0] as object as Match])).toMatchObject({ status: 200, body: { accepted: 1 } });
      expect(await chat.submit([results[0] as object as Match])).toMatchObject({ status: 200, body: { accepted: 0 } });
      expect(await chat.submit([answered(calls[0], { list: [...list, 'x'] })])).toMatchObject({ status: 409 });
      expect(await chat.submit([answered(calls[0], { list: list.with(-1, 'item 19998') })])).toMatchObject({ status: 409 });
      await chat.answer([results[1] as object as Match]);
      expect(await chat.submit(results as Match[])).toMatchObject({ status: 200, body: { accepted: 0 } });
      const seen = received(setting.simulator.requests[1]).slice(-2);
      for (const result of seen) expect(Buffer.byteLength(result)).toBeLessThan(66 * 1024);
      expect(seen[0]).toMatch(new RegExp(`item 0.*All of it is in the file /workspace/outputs/${calls[0]}\\.json`, 's'));
      expect(seen[1]).toMatch(new RegExp(`broken.*All of it is in the file /workspace/outputs/${calls[1]}\\.txt`, 's'));
      const file = async (path: string) =>
        (await composition.api.expect<{ content: string }>('GET', `/v1/sessions/${chat.id}/fs/outputs/${path}`)).content;
      expect(JSON.parse(await file(`${calls[0]}.json`))).toEqual({ list });
      expect(await file(`${calls[1]}.txt`)).toBe(text);
    }));

  it('that nobody asked for, or that differ from those given, are refused and change nothing', () =>
    whileWaiting(async ({ chat, calls }) => {
      await chat.submit([answered(calls[0])]);
      await chat.until('tool.completed');
      const before = await chat.log();
      expect(await chat.submit([answered('call_unknown')])).toMatchObject({ status: 400, body: { code: 'unknown_tool_call' } });
      expect(await chat.submit([answered(calls[1]), answered('call_unknown')])).toMatchObject({ status: 400 });
      expect(await chat.submit([answered(calls[0], 'rainy')])).toMatchObject({ status: 409, body: { code: 'conflicting_tool_result' } });
      expect(await chat.submit([])).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
      expect(await chat.log()).toEqual(before);
      await chat.answer([answered(calls[1])]);
    }));

  it('before anybody waits are refused in the words that clients retry on', () =>
    withSetting(composition, WIRE, async (setting) => {
      const chat = await setting.converse();
      const early = await chat.submit([answered('call_1')]);
      expect(early.status).toBe(409);
      expect(early.body['detail']).toContain('not waiting for tool results (current status: started)');
      setting.simulator.script({ text: 'Hello.' });
      await chat.say('Hi.');
      const late = await chat.submit([answered('call_1')]);
      expect(late.body['detail']).toContain('not waiting for tool results (current status: idle)');
      await chat.close();
    }));
});

describe('a client that never answers', () => {
  it('is given up after its deadline; the model is told, and the turn goes on', async () => {
    const impatient = await compose({ serverEnv: { CLIENT_TOOL_TIMEOUT_SECS: '1' } });
    await withSetting(impatient, WIRE, async (setting) => {
      setting.simulator.script({ toolCalls: [{ name: 'look_up', arguments: { city: 'Wien' } }] }, { text: 'Then without.' });
      const chat = await setting.converse();
      await chat.say('Wien?');
      const rest = await chat.turnFrom(chat.position + 1);
      expectEvents(rest.slice(0, 3), [
        ['tool.completed', { status: 'timeout', success: false, error: 'The client did not answer in time.' }],
        ['act.completed', { completed: true, error_count: 1 }],
        'reason.started',
      ]);
      expect(payload(rest, 'turn.completed')).toMatchObject({ final_answer_preview: 'Then without.' });
      await chat.close();
    });
    await impatient.close();
  });
});
