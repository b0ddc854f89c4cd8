import type { WireReply } from '@everruns/providers/testing/wire-simulator';
import type { SeenEvent } from '@everruns/testing/stream-record';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { compose, type Composition } from './composition.ts';
import { expectEvents, payload, textOf } from './conversation.ts';
import { expectUsable, KEY, settingOf, toSimulators } from './setting.ts';
import { WIRES, type Wire } from './wires.ts';

/** A provider that refuses: what the turn says, how often it was asked, and that the session goes on. */

// Most of the time goes by in waits between attempts.
vi.setConfig({ maxConcurrency: 10 });

let composition: Composition;
beforeAll(async () => {
  composition = await compose({ worker: { fetch: toSimulators } });
});
afterAll(() => composition.close());

interface Refusal {
  name: string;
  /** Answers to the requests of the failing turn, one each. */
  replies: (wire: Wire) => WireReply[];
  code: string;
  fields?: Record<string, unknown>;
  text: RegExp;
  /** Retries, and milliseconds that they waited, jitter of a quarter included. */
  retry?: { attempts: number; waitMs: readonly [min: number, max: number] };
}

const times = (count: number, reply: WireReply): WireReply[] => Array.from({ length: count }, () => reply);

/** The same fact in each vendor's words. */
function unknownModel(wire: Wire): WireReply {
  const code = wire.protocol === 'responses' || wire.protocol === 'chat' ? { code: 'model_not_found' } : {};
  return { error: { status: 404, message: `The model ${wire.model} does not exist.`, ...code } };
}

function noCredit(wire: Wire): WireReply {
  switch (wire.protocol) {
    case 'anthropic':
      return { error: { status: 400, message: 'Your credit balance is too low to access the API.' } };
    case 'google':
      return { error: { status: 402, code: 'billing_not_active', message: 'Billing is not active.' } };
    case 'responses':
    case 'chat':
      return {
        error: { status: 429, code: 'insufficient_quota', type: 'insufficient_quota', message: 'You exceeded your current quota.' },
      };
  }
}

const REFUSALS: readonly Refusal[] = [
  {
    name: '429 three times',
    replies: () => times(3, { error: { status: 429, headers: { 'retry-after-ms': '40' } } }),
    code: 'provider_rate_limited',
    fields: { retry_after_seconds: 1 },
    text: /too many requests/,
    retry: { attempts: 2, waitMs: [80, 80] },
  },
  {
    name: '500 three times',
    replies: () => times(3, { error: { status: 500 } }),
    code: 'provider_unavailable',
    text: /could not be reached/,
    retry: { attempts: 2, waitMs: [2_250, 3_750] },
  },
  {
    name: 'a model that it does not know',
    replies: (wire) => [unknownModel(wire)],
    code: 'model_unavailable',
    text: /model of this conversation is not available/,
  },
  {
    name: 'a key that it refuses',
    replies: () => [{ error: { status: 401, message: `Incorrect API key provided: ${KEY}.` } }],
    code: 'provider_misconfigured',
    text: /^I encountered an error while processing your request\. Please try again later\.$/,
  },
  {
    name: 'an account without credit',
    replies: (wire) => [noCredit(wire)],
    code: 'provider_quota_exhausted',
    text: /no credit left/,
  },
];

describe.concurrent.each(WIRES)('$name', (wire) => {
  it.each(REFUSALS)('that answers with $name fails the turn as $code, and the session goes on', async (refusal) => {
    const setting = await settingOf(composition, wire);
    const chat = await setting.converse();
    const replies = refusal.replies(wire);
    setting.simulator.script(...replies);
    const turn = await chat.say('Are you there?');
    expectEvents(turn, [
      'input.message',
      'turn.started',
      'session.activated',
      ['reason.started', { attempt: 1 }],
      ['llm.generation', { output: {}, metadata: { success: false, error: expect.any(String) as string } }],
      ['reason.completed', { success: false, has_tool_calls: false, error: expect.any(String) as string }],
      ['output.message.completed', { error_code: refusal.code, error_disclosure: 'standard', message: { role: 'agent' } }],
      ['turn.failed', { error_code: refusal.code, error_disclosure: 'standard', ...(refusal.fields && { error_fields: refusal.fields }) }],
      ['session.idled', { usage: { input_tokens: 0, output_tokens: 0 } }],
    ]);
    expect(textOf(payload(turn, 'output.message.completed'))).toMatch(refusal.text);
    expect(setting.simulator.requests).toHaveLength(replies.length);
    expectRetries(turn, refusal.retry);
    expect(JSON.stringify(await chat.log())).not.toContain(KEY);
    await expectUsable(setting, chat, ['user: Are you there?']);
    await setting.close();
  });

  it('that is busy for a moment is asked again when it said, and answers', async () => {
    const setting = await settingOf(composition, wire);
    const chat = await setting.converse();
    setting.simulator.script(
      { error: { status: 429, headers: { 'retry-after': '1' } } },
      { error: { status: 503 } },
      { text: 'Now then.' },
    );
    const turn = await chat.say('Are you there?');
    expectEvents(turn.slice(3), [
      ['reason.started', { attempt: 1 }],
      'output.message.started',
      'llm.generation',
      ['reason.completed', { success: true }],
      ['output.message.completed', { message: { content: [{ type: 'text', text: 'Now then.' }] } }],
      'turn.completed',
      'session.idled',
    ]);
    expectRetries(turn, { attempts: 2, waitMs: [1_000 + 1_500, 1_000 + 2_500] });
    const bodies = setting.simulator.requests.map(({ body }) => body);
    expect(bodies).toEqual([bodies[0], bodies[0], bodies[0]]);
    await chat.close();
    await setting.close();
  });
});

describe('a limit for the day', () => {
  it('says when it ends', async () => {
    const wire = WIRES.find(({ protocol }) => protocol === 'google') as Wire;
    const setting = await settingOf(composition, wire);
    const chat = await setting.converse();
    const violations = [{ quotaId: 'GenerateRequestsPerDayPerProjectPerModel' }];
    const details = [
      { '@type': 'type.googleapis.com/google.rpc.QuotaFailure', violations },
      { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '3600s' },
    ];
    const body = JSON.stringify({ error: { code: 429, message: 'Quota exceeded.', status: 'RESOURCE_EXHAUSTED', details } });
    setting.simulator.script({ error: { status: 429, body } });
    const turn = await chat.say('Once more.');
    const { error_code: code, error_fields: fields } = payload(turn, 'turn.failed');
    expect(code).toBe('provider_usage_limit_reached');
    const endsInMs = Date.parse((fields as { resets_at: string }).resets_at) - Date.now();
    expect(endsInMs).toBeGreaterThan(3_500_000);
    expect(endsInMs).toBeLessThanOrEqual(3_600_000);
    expect(setting.simulator.requests).toHaveLength(1);
    await chat.close();
    await setting.close();
  });
});

function expectRetries(turn: readonly SeenEvent[], expected: Refusal['retry']): void {
  const { retry } = payload(turn, 'llm.generation')['metadata'] as { retry?: { attempts: number; total_wait_ms: number } };
  if (expected === undefined) return expect(retry).toBeUndefined();
  expect(retry?.attempts).toBe(expected.attempts);
  expect(retry?.total_wait_ms).toBeGreaterThanOrEqual(expected.waitMs[0]);
  expect(retry?.total_wait_ms).toBeLessThanOrEqual(expected.waitMs[1]);
}
