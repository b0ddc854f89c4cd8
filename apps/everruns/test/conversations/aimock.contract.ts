import { LLMock } from '@copilotkit/aimock';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compose, type Composition } from './composition.ts';
import { expectEvents, payload, type Conversation, type Expected } from './conversation.ts';
import { ASK_USER, KEY } from './setting.ts';

/** One long conversation per wire protocol, with a provider that somebody else wrote. */

const STALL_MS = 1_000;

let composition: Composition;
let mock: LLMock;

beforeAll(async () => {
  composition = await compose({ worker: { stallTimeoutMs: STALL_MS } });
  mock = new LLMock({ port: 0, logLevel: 'silent', chunkSize: 4 });
  mock.onMessage('plain', { content: 'A plain answer.' });
  mock.onMessage('thanks', { content: 'You are welcome.' });
  mock.addFixture({ match: { userMessage: 'tools', hasToolResult: true }, response: { content: 'All are here.' } });
  mock.addFixture({
    match: { userMessage: 'tools', hasToolResult: false },
    response: {
      toolCalls: [
        { name: 'test_sleep', arguments: '{"ms":2}' },
        { name: 'test_sleep', arguments: '{"ms":1}' },
        { name: 'look_up', arguments: '{"city":"Wien"}' },
      ],
    },
  });
  mock.onMessage('cut', { content: 'A longer answer that is never finished.' }, { truncateAfterChunks: 8, latency: 10 });
  await mock.start();
});
afterAll(async () => {
  await composition.close();
  await mock.stop();
});

/** The first request of the message meets the trouble, the second is answered. */
function troubleOnce(marker: string, trouble: Parameters<LLMock['addFixture']>[0]): void {
  mock.addFixture({ ...trouble, match: { userMessage: marker, sequenceIndex: 0 } });
  mock.addFixture({ match: { userMessage: marker }, response: { content: 'Now it works.' } });
}

const ANSWERED: readonly Expected[] = [
  'reason.started',
  'output.message.started',
  ['llm.generation', { metadata: { success: true } }],
  ['reason.completed', { success: true }],
  'output.message.completed',
  'turn.completed',
  'session.idled',
];

async function expectSecondAttempt(chat: Conversation, marker: string, waitMs?: number): Promise<void> {
  const turn = await chat.say(marker);
  expectEvents(turn.slice(3), ANSWERED);
  const { retry } = payload(turn, 'llm.generation')['metadata'] as { retry: { attempts: number; total_wait_ms: number } };
  expect(retry.attempts).toBe(1);
  if (waitMs !== undefined) expect(retry.total_wait_ms).toBe(waitMs);
  expect(chat.answers.at(-1)).toBe('Now it works.');
}

describe.concurrent.each([
  { providerType: 'openai', path: '/v1', model: 'gpt-4.1-mini' },
  { providerType: 'openai_compatible', path: '/v1', model: 'gpt-4.1' },
  { providerType: 'anthropic', path: '/v1', model: 'claude-sonnet-4-6' },
  { providerType: 'gemini', path: '/v1beta', model: 'gemini-3.5-flash' },
])('$providerType', ({ providerType, path, model }) => {
  it('talks, calls tools in parallel, and outlives limits, faults, cuts and stalls', async () => {
    const name = `${providerType}-`;
    troubleOnce(`${name}limit`, {
      match: {},
      response: { error: { message: 'Slow down.', type: 'rate_limit_error' }, status: 429, retryAfter: 1 },
    });
    troubleOnce(`${name}broken`, { match: {}, response: { error: { message: 'Sorry.', type: 'server_error' }, status: 500 } });
    troubleOnce(`${name}stall`, { match: {}, response: { content: 'Too late.' }, streamingProfile: { ttft: 30_000 } });
    const { modelId } = await composition.api.createModel({ provider_type: providerType, model, base_url: mock.url + path, api_key: KEY });
    const chat = await composition.api.converse({
      harness_name: 'base',
      model_id: modelId,
      capabilities: [{ ref: 'test_tools' }],
      tools: [ASK_USER],
    });

    expectEvents((await chat.say('plain')).slice(3), ANSWERED);

    const asked = await chat.say('tools');
    expectEvents(asked.slice(3), [
      'reason.started',
      ['llm.generation', { metadata: { finish_reasons: ['tool_calls'] } }],
      ['reason.completed', { tool_call_count: 3 }],
      'output.message.completed',
      'act.started',
      'tool.started',
      'tool.started',
      ['tool.completed', { success: true }],
      ['tool.completed', { success: true }],
      ['tool.call_requested', { tool_calls: [{ name: 'look_up', arguments: { city: 'Wien' } }] }],
    ]);
    const [call] = payload(asked, 'tool.call_requested')['tool_calls'] as [{ id: string }];
    const resumed = await chat.answer([{ tool_call_id: call.id, result: 'sunny' }]);
    expectEvents(resumed, ['tool.completed', ['act.completed', { success_count: 3, error_count: 0 }], ...ANSWERED]);
    expect(chat.answers.at(-1)).toBe('All are here.');

    await expectSecondAttempt(chat, `${name}limit`, 1_000);
    await expectSecondAttempt(chat, `${name}broken`);
    await expectSecondAttempt(chat, `${name}stall`);

    const cut = await chat.say('cut');
    expectEvents(cut.slice(3), [
      'reason.started',
      'output.message.started',
      ['llm.generation', { metadata: { success: false } }],
      ['reason.completed', { success: false }],
      'output.message.completed',
      ['output.message.completed', { error_code: 'provider_unavailable' }],
      ['turn.failed', { error_code: 'provider_unavailable' }],
      'session.idled',
    ]);
    expect(String(payload(cut, 'reason.completed')['text_preview'])).toMatch(/^A longer/);

    expectEvents((await chat.say(`${name}thanks`)).slice(3), ANSWERED);
    const sent = mock
      .getRequests()
      .map(({ body }) => JSON.stringify(body))
      .findLast((body) => body.includes(`${name}thanks`));
    for (const remembered of ['A plain answer.', 'slept_ms', 'sunny', 'All are here.', 'Now it works.', 'A longer'])
      expect(sent).toContain(remembered);
    expect(sent).not.toContain('could not be reached');
    await chat.close();
  });
});
