import { LLMock } from '@copilotkit/aimock';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ChatModel, ModelError } from '@everruns/agent/model';
import { builtinDrivers } from './builtin.ts';
import { createModelRegistry } from './registry.ts';
import { answerOf, attempt, callsOfParts, finishOfParts, requestOf, textOfParts, toolAnswers, userSays } from './testing/collect.ts';

/** The same drivers against simulators that somebody else wrote. */
describe.each([
  { providerType: 'openai', path: '/v1', model: 'gpt-5.4', reasons: true },
  { providerType: 'openai_compatible', path: '/v1', model: 'gpt-5.4', reasons: false },
  { providerType: 'anthropic', path: '/v1', model: 'claude-sonnet-4-5', reasons: true },
  { providerType: 'gemini', path: '/v1beta', model: 'gemini-2.5-flash', reasons: true },
])('$providerType', ({ providerType, path, model: modelName, reasons }) => {
  let mock: LLMock;
  let model: ChatModel;

  beforeAll(async () => {
    mock = new LLMock({ port: 0, logLevel: 'silent', chunkSize: 4 });
    mock.onMessage('plain', { content: 'A plain answer.' });
    mock.onMessage('think', { content: 'Done.', reasoning: 'Step by step.' });
    mock.addFixture({ match: { userMessage: 'tools', hasToolResult: true }, response: { content: 'Both are here.' } });
    mock.addFixture({
      match: { userMessage: 'tools', hasToolResult: false },
      response: {
        toolCalls: [
          { name: 'look_up', arguments: '{"what":"a"}' },
          { name: 'look_up', arguments: '{"what":"b"}' },
        ],
      },
    });
    mock.onMessage('limit', { error: { message: 'Slow down.', type: 'rate_limit_error' }, status: 429, retryAfter: 3 });
    mock.onMessage('broken', { error: { message: 'Sorry.', type: 'server_error' }, status: 500 });
    mock.onMessage('cut', { content: 'A longer answer that is never finished.' }, { truncateAfterChunks: 3 });
    await mock.start();
    model = createModelRegistry({ drivers: builtinDrivers() }).open({
      providerType,
      model: modelName,
      apiKey: 'k',
      baseUrl: mock.url + path,
    });
  });
  afterAll(() => mock.stop());

  const look = { name: 'look_up', description: 'Looks up', parameters: { type: 'object', properties: { what: { type: 'string' } } } };
  const ask = (text: string) => attempt(model, requestOf([userSays(text)], { tools: [look], reasoningEffort: 'low' }));

  it('streams a text', async () => {
    const { parts, error } = await ask('plain');
    expect([textOfParts(parts), error]).toEqual(['A plain answer.', undefined]);
    expect(finishOfParts(parts)).toMatchObject({ reason: 'stop' });
  });

  if (reasons) {
    it('streams reasoning', async () => {
      const { parts } = await ask('think');
      expect([textOfParts(parts, 'reasoning'), textOfParts(parts)]).toEqual(['Step by step.', 'Done.']);
    });
  }

  it('makes two parallel calls and takes their results', async () => {
    const { parts } = await ask('tools');
    const calls = callsOfParts(parts);
    expect(calls.map((call) => JSON.parse(call.arguments) as unknown)).toEqual([{ what: 'a' }, { what: 'b' }]);
    expect(finishOfParts(parts)).toMatchObject({ reason: 'tool_calls' });
    const results = calls.map((call) => toolAnswers(call.id, call.name, { found: true }));
    const next = await attempt(model, requestOf([userSays('tools'), answerOf(parts, providerType), ...results], { tools: [look] }));
    expect([textOfParts(next.parts), next.error]).toEqual(['Both are here.', undefined]);
  });

  it.each([
    ['limit', 'rate_limited', 3000],
    ['broken', 'unavailable', undefined],
    ['cut', 'cut', undefined],
  ] as const)('reports %s as %s', async (message, kind, retryAfterMs) => {
    const { error } = await ask(message);
    expect(error).toBeInstanceOf(ModelError);
    expect([(error as ModelError).kind, (error as ModelError).retryAfterMs]).toEqual([kind, retryAfterMs]);
  });
});
