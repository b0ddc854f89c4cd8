import type { WireRequest } from '@everruns/providers/testing/wire-simulator';
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compose, type Composition } from './composition.ts';
import { expectEvents, payload, textOf } from './conversation.ts';
import { received } from './received.ts';
import { settingOf, toSimulators, withSetting } from './setting.ts';
import { WIRES, type Wire } from './wires.ts';

/** What a message or a session may ask for, and what the provider gets of it. */

let composition: Composition;
beforeAll(async () => {
  composition = await compose({ worker: { fetch: toSimulators } });
});
afterAll(() => composition.close());

const ANTHROPIC = WIRES.find(({ protocol }) => protocol === 'anthropic') as Wire;
const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

/** How hard the model was asked to think, in the wire's own words; undefined when it was not. */
function effortOf({ protocol, body }: WireRequest): unknown {
  const at = (value: unknown, ...path: string[]): unknown =>
    path.reduce((found, key) => (found as Record<string, unknown> | undefined)?.[key], value);
  switch (protocol) {
    case 'responses':
      return at(body, 'reasoning', 'effort');
    case 'chat':
      return at(body, 'reasoning_effort');
    case 'anthropic':
      return at(body, 'output_config', 'effort') ?? at(body, 'thinking', 'type');
    case 'google':
      return (
        at(body, 'generationConfig', 'thinkingConfig', 'thinkingLevel') ?? at(body, 'generationConfig', 'thinkingConfig', 'thinkingBudget')
      );
  }
}

interface Asked {
  sent: { service_tier?: string | undefined; verbosity?: string | undefined };
  options: Record<string, unknown>;
  /** Of 1,000 tokens in and 1,000 out at that speed; a price that nobody has told is none. */
  costUsd: number | undefined;
}

/** What becomes of `priority` and `low` on each model. */
const PRIORITY_AND_SHORT: Readonly<Record<string, Asked>> = {
  'gpt-5.4-mini': {
    sent: { service_tier: 'priority', verbosity: 'low' },
    options: { speed: 'priority', verbosity: 'low' },
    costUsd: 0.0105,
  },
  'gpt-4.1-mini': { sent: {}, options: { dropped: ['speed', 'verbosity'] }, costUsd: 0.002 },
  'local-model': {
    sent: { service_tier: 'priority', verbosity: 'low' },
    options: { speed: 'priority', verbosity: 'low' },
    costUsd: undefined,
  },
  'claude-sonnet-4-6': { sent: {}, options: { dropped: ['speed', 'verbosity'] }, costUsd: 0.018 },
  'gemini-3.5-flash': { sent: { service_tier: 'priority' }, options: { speed: 'priority', dropped: ['verbosity'] }, costUsd: undefined },
};

function optionsOf(turn: Parameters<typeof payload>[0]): unknown {
  const { request_options } = payload(turn, 'llm.generation')['metadata'] as { request_options?: { provider_options?: unknown } };
  return request_options?.provider_options;
}

describe.each(WIRES)('$name', (wire) => {
  it('is asked to think as hard as the message says, if its model thinks', () =>
    withSetting(composition, wire, async (setting) => {
      const chat = await setting.converse();
      setting.simulator.script({ text: 'One.' }, { text: 'Two.' });
      await chat.say('Plainly.');
      const turn = await chat.say('Think.', { controls: { reasoning: { effort: 'high' } } });
      expect(payload(turn, 'input.message')).toMatchObject({ message: { controls: { reasoning: { effort: 'high' } } } });
      const [plain, thinking] = setting.simulator.requests.map(effortOf);
      if (wire.thinks) {
        expect(plain).not.toEqual(thinking);
        expect(thinking).toBeDefined();
      } else {
        expect(thinking).toBeUndefined();
        expect(optionsOf(turn)).toEqual({ dropped: ['reasoning.effort'] });
      }
      await chat.close();
    }));

  it('is asked for the speed and the length that the message says, as far as its model has them', () =>
    withSetting(composition, wire, async (setting) => {
      const chat = await setting.converse();
      setting.simulator.script({ text: 'One.', usage: { inputTokens: 1_000, outputTokens: 1_000 } });
      const turn = await chat.say('Quickly.', { controls: { speed: 'priority', verbosity: 'low' } });
      const { sent, options, costUsd } = PRIORITY_AND_SHORT[wire.model] as Asked;
      const body = setting.simulator.requests[0]?.body;
      expect({
        service_tier: body?.['service_tier'] ?? body?.['serviceTier'],
        verbosity: body?.['verbosity'] ?? (body?.['text'] as Record<string, unknown> | undefined)?.['verbosity'],
      }).toEqual(sent);
      expect(optionsOf(turn)).toEqual(options);
      expect((payload(turn, 'reason.completed')['usage'] as Record<string, unknown>)['estimated_cost_usd']).toBe(costUsd);
      await chat.close();
    }));

  it('gets images by address and as data, in their place', () =>
    withSetting(composition, wire, async (setting) => {
      const chat = await setting.converse();
      setting.simulator.script({ text: 'Two pictures.' });
      const content = [
        { type: 'text', text: 'Compare' },
        { type: 'image', url: 'https://example.com/cat.png' },
        { type: 'text', text: 'with' },
        { type: 'image', base64: PIXEL, media_type: 'image/png' },
      ];
      const turn = await chat.say(content);
      expect(payload(turn, 'input.message')).toMatchObject({ message: { content } });
      const sent = received(setting.simulator.requests[0]);
      expect(sent.map((line) => line.split(/[: ]/)[0])).toEqual(['user', 'image', 'user', 'image']);
      expect(JSON.stringify(setting.simulator.requests[0]?.body)).toContain('https://example.com/cat.png');
      expect(JSON.stringify(setting.simulator.requests[0]?.body)).toContain(PIXEL);
      await chat.close();
    }));

  it('is told when one call at a time is wanted, and calls run one after the other', () =>
    withSetting(composition, wire, async (setting) => {
      const chat = await setting.converse({ parallel_tool_calls: false });
      const naps = [60, 1, 30].map((ms) => ({ name: 'test_sleep', arguments: { ms } }));
      setting.simulator.script({ toolCalls: naps }, { text: 'Rested.' });
      const turn = await chat.say('Rest.');
      const tools = turn.filter(({ type }) => type === 'tool.started' || type === 'tool.completed');
      expectEvents(
        tools,
        [60, 1, 30].flatMap((ms) => [
          ['tool.started', { tool_call: { arguments: { ms } } }] as const,
          ['tool.completed', { result: [{ result: { slept_ms: ms } }] }] as const,
        ]),
      );
      // Gemini has no word for it.
      const said = JSON.stringify(setting.simulator.requests[0]?.body);
      if (wire.protocol !== 'google') expect(said).toMatch(/"(parallel_tool_calls":false|disable_parallel_tool_use":true)/);
      await chat.close();
    }));
});

describe('a message', () => {
  it('may choose another model, also of another provider, for its turn', () =>
    withSetting(composition, ANTHROPIC, async (setting) => {
      const other = await settingOf(composition, WIRES.find(({ protocol }) => protocol === 'google') as Wire);
      const chat = await setting.converse();
      setting.simulator.script(
        { thinking: { text: 'Hm.' }, text: 'Claude.', toolCalls: [{ name: 'test_sleep', arguments: { ms: 1 } }] },
        { text: 'Still Claude.' },
        { text: 'Claude again.' },
      );
      other.simulator.script({ text: 'Gemini.' });
      await chat.say('Who are you?');
      const turn = await chat.say('And now?', { controls: { model_id: other.modelId } });
      expect(payload(turn, 'output.message.completed')).toMatchObject({ metadata: { model: other.wire.model } });
      await chat.say('And now?');
      expect(received(other.simulator.requests[0])).toEqual([
        'user: Who are you?',
        'assistant: Claude.',
        'call test_sleep {"ms":1}',
        'result {"slept_ms":1}',
        'assistant: Still Claude.',
        'user: And now?',
      ]);
      expect(received(setting.simulator.requests[2]).at(-2)).toBe('assistant: Gemini.');
      expect(await chat.post('?', { controls: { model_id: `model_${'0'.repeat(32)}` } })).toMatchObject({
        body: { field: 'controls.model_id' },
      });
      await chat.close();
      await other.close();
    }));

  it.each([
    [undefined, 'provider_rate_limited', true],
    ['generic', 'processing_error', false],
    ['standard', 'provider_rate_limited', true],
    ['detailed', 'provider_rate_limited', true],
  ])('that asks for %s disclosure is told %s', (disclosure, code, hasFields) =>
    withSetting(composition, ANTHROPIC, async (setting) => {
      const chat = await setting.converse();
      setting.simulator.answer(() => ({ error: { status: 429, message: 'org-77 is over its limit', headers: { 'retry-after-ms': '5' } } }));
      const turn = await chat.say('Hello?', disclosure === undefined ? {} : { controls: { error_disclosure: disclosure } });
      const failed = payload(turn, 'turn.failed');
      // A message may show less than its session does, never more.
      expect(failed).toMatchObject({ error_code: code, error_disclosure: disclosure === 'generic' ? 'generic' : 'standard' });
      expect('error_fields' in failed).toBe(hasFields);
      expect(JSON.stringify(await chat.log())).not.toContain('org-77');
      expect(textOf(payload(turn, 'output.message.completed'))).toBe(failed['error']);
      await chat.close();
    }),
  );

  it('sent many times at once under one id is stored once and answered once', () =>
    withSetting(composition, ANTHROPIC, async (setting) => {
      const chat = await setting.converse();
      setting.simulator.script({ text: 'Once.', chunkDelayMs: 50 });
      const key = randomUUID();
      const sent = await Promise.all(Array.from({ length: 12 }, () => chat.post('Hello.', { client_message_id: key })));
      expect(sent.filter(({ status }) => status === 201)).toHaveLength(1);
      expect(sent.filter(({ status, body }) => status === 200 && body['delivery'] === 'duplicate')).toHaveLength(11);
      expect(new Set(sent.map(({ body }) => `${String(body['id'])} ${String(body['sequence'])}`)).size).toBe(1);
      await chat.until('session.idled');
      expect(await chat.post('Hello.', { client_message_id: key.toUpperCase() })).toMatchObject({
        status: 200,
        body: { delivery: 'duplicate' },
      });
      expect(chat.types.filter((type) => type === 'input.message' || type === 'turn.started')).toHaveLength(2);
      expect(setting.simulator.requests).toHaveLength(1);
      await chat.close();
    }));

  it('names its sender to the model', () =>
    withSetting(composition, ANTHROPIC, async (setting) => {
      const chat = await setting.converse();
      setting.simulator.script({ text: 'Hello, Ada.' });
      const turn = await chat.say('Hello.', {
        external_actor: { actor_id: 'U1', source: 'slack', actor_name: 'Ada' },
        tags: ['from-slack'],
      });
      expect(turn[0]).toMatchObject({ tags: ['from-slack'], data: { message: { external_actor: { actor_id: 'U1' } } } });
      expect(received(setting.simulator.requests[0])).toEqual(['user: [Ada] Hello.']);
      await chat.close();
    }));
});

describe('a session with a cap on iterations', () => {
  it('ends the turn at the cap in good order; calls that were left are not run, and the next turn knows', () =>
    withSetting(composition, ANTHROPIC, async (setting) => {
      const chat = await setting.converse({ max_iterations: 2 });
      const nap = { toolCalls: [{ name: 'test_sleep', arguments: { ms: 1 } }] };
      setting.simulator.script(nap, nap, { text: 'Enough.' });
      const turn = await chat.say('Rest and rest.');
      expect(payload(turn, 'turn.completed')).toMatchObject({ iterations: 2, stop_reason: 'max_turn_requests', tool_call_count: 1 });
      expect(turn.filter(({ type }) => type === 'tool.started')).toHaveLength(1);
      const next = await chat.say('Well?');
      expect(payload(next, 'transcript.repaired')).toMatchObject({ tool_name: 'test_sleep', action: 'synthesize' });
      expect(payload(next, 'turn.completed')).toMatchObject({ final_answer_preview: 'Enough.', stop_reason: 'end_turn' });
      expect(received(setting.simulator.requests[2]).slice(-3)).toEqual([
        'call test_sleep {"ms":1}',
        expect.stringMatching(/^result .*No result was recorded/) as string,
        'user: Well?',
      ]);
      await chat.close();
    }));
});
