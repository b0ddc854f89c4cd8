import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from './api-client.ts';
import { compose, type Composition } from './composition.ts';
import { Conversation, expectEvents, payload, textOf } from './conversation.ts';
import { received } from './received.ts';
import { toSimulators, withSetting } from './setting.ts';
import { WIRES, type Wire } from './wires.ts';

/** A turn that the user stops, at each of the places where it can stand. */

let composition: Composition;
beforeAll(async () => {
  composition = await compose({ servers: 2, worker: { fetch: toSimulators } });
});
afterAll(() => composition.close());

const COUNTING = { text: 'One two three four five six seven eight nine ten.', chunkDelayMs: 60 };
const NOTE = expect.stringContaining('asked to stop') as string;
const CANCELLED = { status: 200, body: { status: 'cancelled' } };
const ANTHROPIC = WIRES.find(({ protocol }) => protocol === 'anthropic') as Wire;

describe.each(WIRES)('$name', (wire) => {
  it('in the middle of an answer: the provider is let go, and what was shown stays', () =>
    withSetting(composition, wire, async (setting) => {
      const chat = await setting.converse();
      setting.simulator.script(COUNTING, { text: 'Eleven.' });
      const { body } = await chat.post('Count.');
      await chat.untilText('two');
      const cancelledMs = performance.now();
      expect(await chat.cancel()).toMatchObject(CANCELLED);
      const turn = await chat.turnFrom(Number(body['sequence']));
      expect(performance.now() - cancelledMs).toBeLessThan(1_000);
      expectEvents(turn, [
        'input.message',
        'turn.started',
        'session.activated',
        'reason.started',
        'output.message.started',
        ['output.message.completed', { message: { role: 'agent' }, metadata: { interrupted: true } }],
        ['input.message', { message: { role: 'user', content: [{ type: 'text', text: NOTE }] } }],
        ['turn.cancelled', { reason: 'user_request' }],
        'session.idled',
      ]);
      const kept = textOf(payload(turn, 'output.message.completed'));
      expect(kept).toMatch(/^One two/);
      expect(kept.length).toBeLessThan(COUNTING.text.length);
      await eventually(() => setting.simulator.requests[0]?.outcome === 'aborted', 'the provider to be let go');
      await chat.say('Go on.');
      expect(received(setting.simulator.requests[1])).toEqual(['user: Count.', `assistant: ${kept}`, NOTE, 'user: Go on.']);
      await chat.close();
    }));
});

describe('a turn', () => {
  it('whose model has not said anything yet ends without a message', () =>
    withSetting(composition, ANTHROPIC, async (setting) => {
      const chat = await setting.converse();
      setting.simulator.script({ stallAfter: 'headers' }, { text: 'At once.' });
      const { body } = await chat.post('Anybody?');
      await eventually(() => setting.simulator.requests.length === 1, 'the request');
      expect(await chat.cancel()).toMatchObject(CANCELLED);
      const turn = await chat.turnFrom(Number(body['sequence']));
      expectEvents(turn.slice(4), ['input.message', 'turn.cancelled', 'session.idled']);
      await eventually(() => setting.simulator.requests[0]?.outcome === 'aborted', 'the provider to be let go');
      expect(payload(await chat.say('And now?'), 'turn.completed')).toMatchObject({ final_answer_preview: 'At once.' });
      await chat.close();
    }));

  it('whose model waits to be asked again stops waiting', () =>
    withSetting(composition, ANTHROPIC, async (setting) => {
      const chat = await setting.converse();
      setting.simulator.script({ error: { status: 429, headers: { 'retry-after': '50' } } }, { text: 'At once.' });
      const { body } = await chat.post('Anybody?');
      await eventually(() => setting.simulator.requests[0]?.outcome === 'complete', 'the refusal');
      expect(await chat.cancel()).toMatchObject(CANCELLED);
      await chat.turnFrom(Number(body['sequence']));
      expect(payload(await chat.say('And now?'), 'turn.completed')).toMatchObject({ final_answer_preview: 'At once.' });
      await chat.close();
    }));

  it('that is in the middle of a thought ends; the thought is not taken for an answer', () =>
    withSetting(composition, ANTHROPIC, async (setting) => {
      const chat = await setting.converse();
      setting.simulator.script(
        { thinking: { text: 'Let me think about it for a while.' }, text: 'No.', chunkDelayMs: 80 },
        { text: 'At once.' },
      );
      const { body } = await chat.post('Think.');
      await chat.until('reason.thinking.started');
      expect(await chat.cancel()).toMatchObject(CANCELLED);
      const turn = await chat.turnFrom(Number(body['sequence']));
      expectEvents(turn.slice(4), ['reason.thinking.started', 'input.message', 'turn.cancelled', 'session.idled']);
      await chat.say('And now?');
      expect(received(setting.simulator.requests[1])).toEqual(['user: Think.', NOTE, 'user: And now?']);
      await chat.close();
    }));

  it('that waits for its client answers the open calls as cancelled, and takes no more results', () =>
    withSetting(composition, ANTHROPIC, async (setting) => {
      const chat = await setting.converse();
      setting.simulator.script({ toolCalls: [{ name: 'look_up', arguments: { city: 'Wien' } }] }, { text: 'At once.' });
      const asked = await chat.say('Wien?');
      const [call] = payload(asked, 'tool.call_requested')['tool_calls'] as [{ id: string }];
      const position = chat.position;
      expect(await chat.cancel()).toMatchObject(CANCELLED);
      expectEvents(await chat.turnFrom(position + 1), [
        ['tool.completed', { tool_call_id: call.id, status: 'cancelled', success: false }],
        ['act.completed', { completed: false, success_count: 0, error_count: 1 }],
        'input.message',
        'turn.cancelled',
        'session.idled',
      ]);
      const late = await chat.submit([{ tool_call_id: call.id, result: 'sunny' }]);
      expect(late).toMatchObject({ status: 409 });
      await chat.say('And now?');
      expect(received(setting.simulator.requests[1])).toEqual([
        'user: Wien?',
        'call look_up {"city":"Wien"}',
        expect.stringMatching(/^result .*Cancelled/) as string,
        NOTE,
        'user: And now?',
      ]);
      await chat.close();
    }));

  it('is cancelled once, whoever asks how often; nothing running is no fault', () =>
    withSetting(composition, ANTHROPIC, async (setting) => {
      const chat = await setting.converse();
      expect(await chat.cancel()).toMatchObject({ status: 200, body: { status: 'no_op' } });
      setting.simulator.script(COUNTING);
      await chat.post('Count.');
      await chat.untilText('One');
      const others = composition.apis.map((api) => api.call('POST', `/v1/sessions/${chat.id}/cancel`, {}));
      const answers = await Promise.all([...others, chat.cancel(), chat.cancel(), ...others]);
      expect(answers.map(({ body }) => body['status']).filter((status) => status === 'cancelled').length).toBeGreaterThan(0);
      await chat.until('session.idled');
      expect(await chat.cancel()).toMatchObject({ status: 200, body: { status: 'no_op' } });
      expect(chat.types.filter((type) => type === 'turn.cancelled')).toHaveLength(1);
      await chat.close();
    }));

  it('may be followed at once by another one, while a tool of the first still runs', () =>
    withSetting(composition, ANTHROPIC, async (setting) => {
      const chat = await setting.converse();
      setting.simulator.script({ toolCalls: [{ name: 'test_ignore_abort' }] }, { text: 'At once.' });
      await chat.post('Go.');
      await chat.until('tool.progress');
      await chat.cancel();
      expect(payload(await chat.say('And now?'), 'turn.completed')).toMatchObject({ final_answer_preview: 'At once.' });
      await chat.close();
    }));

  it.each(['somebody watches', 'nobody watches'])('cancelled through another control plane, where %s, keeps what was shown', (who) =>
    withSetting(composition, ANTHROPIC, async (setting) => {
      const [, other] = composition.apis;
      if (other === undefined) throw new Error('There is one control plane only.');
      const chat = await setting.converse();
      const elsewhere = who === 'somebody watches' ? new Conversation(other, chat.id) : null;
      setting.simulator.script(COUNTING);
      await chat.post('Count.');
      await chat.untilText('two');
      const shown = [...chat.streamed.values()].join();
      expect(await other.call('POST', `/v1/sessions/${chat.id}/cancel`, {})).toMatchObject(CANCELLED);
      const { data } = await chat.until('output.message.completed');
      expect(textOf(data).startsWith(shown)).toBe(true);
      await eventually(() => setting.simulator.requests[0]?.outcome === 'aborted', 'the provider to be let go');
      await elsewhere?.leave();
      await chat.leave();
    }),
  );
});
