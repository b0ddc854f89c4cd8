import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { type ChatModel, ModelError, type ModelErrorKind, type ModelPart } from '@everruns/agent/model';
import { builtinDrivers } from './builtin.ts';
import { createModelRegistry } from './registry.ts';
import { answerOf, attempt, callsOfParts, finishOfParts, requestOf, textOfParts, toolAnswers, userSays } from './testing/collect.ts';
import { startWireSimulator, type WireProtocol, type WireReply, type WireSimulator } from './testing/wire-simulator.ts';

interface Variant {
  name: string;
  providerType: string;
  protocol: WireProtocol;
  model: string;
  /** The vendor's own address is served by the simulator: everything below the network is as in production. */
  isOfficial?: boolean;
  /** Reasoning is visible on this wire. */
  reasons: boolean;
}

const VARIANTS: Variant[] = [
  { name: 'openai (Responses)', providerType: 'openai', protocol: 'responses', model: 'gpt-5.4-mini', reasons: true },
  {
    name: 'openai_completions (OpenAI)',
    providerType: 'openai_completions',
    protocol: 'chat',
    model: 'gpt-5.4-mini',
    isOfficial: true,
    reasons: false,
  },
  { name: 'openai_compatible (base_url)', providerType: 'openai_compatible', protocol: 'chat', model: 'local-model', reasons: true },
  { name: 'anthropic', providerType: 'anthropic', protocol: 'anthropic', model: 'claude-sonnet-4-5', reasons: true },
  { name: 'gemini', providerType: 'gemini', protocol: 'google', model: 'gemini-3-pro-preview', reasons: true },
];

const KEY = 'sk-test-0123456789abcdef';
const WEATHER = {
  name: 'get_weather',
  description: 'Weather of a city',
  parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
};
const ASK = requestOf([userSays('How is the weather?')], { system: 'Be brief.', tools: [WEATHER], reasoningEffort: 'medium' });

describe.each(VARIANTS)('$name', ({ providerType, protocol, model: modelName, isOfficial, reasons }) => {
  let simulator: WireSimulator;
  let model: ChatModel;

  beforeAll(async () => {
    simulator = await startWireSimulator({ requiresThinking: reasons });
    const toSimulator: typeof fetch = (input, init) => fetch((input as string).replace('https://api.openai.com', simulator.url), init);
    const registry = createModelRegistry({ drivers: builtinDrivers(isOfficial === true ? { fetch: toSimulator } : {}) });
    model = registry.open({
      providerType,
      model: modelName,
      apiKey: KEY,
      ...(isOfficial === true ? {} : { baseUrl: simulator.baseUrl(protocol) }),
    });
  });
  afterAll(() => simulator.close());
  afterEach(() => simulator.reset());

  const ask = (...replies: WireReply[]) => {
    simulator.script(...replies);
    return attempt(model, ASK);
  };
  const failsWith = (error: unknown, kind: ModelErrorKind): ModelError => {
    expect(error).toBeInstanceOf(ModelError);
    const modelError = error as ModelError;
    expect([modelError.kind, modelError.message]).toEqual([kind, expect.any(String)]);
    expect(`${modelError.message} ${modelError.stack} ${JSON.stringify(modelError)}`).not.toContain(KEY);
    return modelError;
  };

  it('streams text in the order of the wire and ends with one finish part', async () => {
    const { parts, error } = await ask({ text: 'It is sunny today.' });
    expect(error).toBeUndefined();
    expect(textOfParts(parts)).toBe('It is sunny today.');
    expect(parts.filter((part) => part.type === 'text').length).toBeGreaterThan(1);
    expect(parts.map((part) => part.type).filter((type) => type !== 'text')).toEqual(['response', 'text_end', 'finish']);
    expect(parts.find((part) => part.type === 'response')).toMatchObject({ id: 'resp_0' });
    expect(finishOfParts(parts)).toMatchObject({ reason: 'stop', usage: { inputTokens: 11, outputTokens: 7 } });
  });

  it('sends the key in a header only, and one request per attempt', async () => {
    await ask({ error: { status: 503 } });
    expect(simulator.requests).toHaveLength(1);
    const [request] = simulator.requests;
    expect(JSON.stringify(request?.headers)).toContain(KEY);
    expect(JSON.stringify([request?.path, request?.body])).not.toContain(KEY);
  });

  if (reasons) {
    it('replays opaque thinking state verbatim with the tool call that it belongs to', async () => {
      const thinking = { text: 'The user wants the weather.', state: 'EqQBCkYIBBgCKkD+/sig==' };
      const first = await ask({ thinking, text: 'Let me look.', toolCalls: [{ name: 'get_weather', arguments: { city: 'Wien' } }] });
      expect(first.error).toBeUndefined();
      expect(textOfParts(first.parts, 'reasoning')).toBe(thinking.text);
      const [call] = callsOfParts(first.parts);
      expect(call).toMatchObject({ name: 'get_weather', arguments: '{"city":"Wien"}' });
      expect(finishOfParts(first.parts)).toMatchObject({ reason: 'tool_calls' });

      simulator.script({ text: 'Sunny.' });
      const history = [...ASK.messages, answerOf(first.parts, providerType), toolAnswers(call?.id ?? '', 'get_weather', { sky: 'sunny' })];
      const second = await attempt(model, { ...ASK, messages: history });
      expect(second.error).toBeUndefined();
      expect(textOfParts(second.parts)).toBe('Sunny.');
    });

    it('is refused by a provider that misses its thinking state', async () => {
      const first = await ask({ thinking: { text: 'Hm.' }, toolCalls: [{ name: 'get_weather', arguments: { city: 'Wien' } }] });
      const answer = answerOf(first.parts, providerType);
      const forgotten = { ...answer, content: answer.content.filter((part) => !('type' in part) || part.type !== 'reasoning') };
      const stripped = JSON.parse(
        JSON.stringify(forgotten, (key, value: unknown) => (key === 'replay' ? undefined : value)),
      ) as typeof answer;
      const [call] = callsOfParts(first.parts);
      const messages = [...ASK.messages, stripped, toolAnswers(call?.id ?? '', 'get_weather', {})];
      failsWith((await attempt(model, { ...ASK, messages })).error, 'invalid_request');
    });
  }

  it('leaves the replay state of another provider type out', async () => {
    simulator.script({ text: 'Fine.' });
    const foreign = {
      role: 'assistant' as const,
      providerType: providerType === 'anthropic' ? 'openai' : 'anthropic',
      content: [
        {
          type: 'reasoning' as const,
          text: 'secret thoughts',
          replay: { signature: 'SIGNED', itemId: 'rs_9', reasoningEncryptedContent: 'SEALED' },
        },
        {
          type: 'tool_call' as const,
          id: 'toolu_1',
          name: 'get_weather',
          arguments: { city: 'Graz' },
          replay: { thoughtSignature: 'SIGNED' },
        },
      ],
    };
    const { error } = await attempt(model, { ...ASK, messages: [...ASK.messages, foreign, toolAnswers('toolu_1', 'get_weather', 'rain')] });
    expect(error).toBeUndefined();
    const body = JSON.stringify(simulator.requests[0]?.body);
    expect(body).not.toMatch(/SIGNED|SEALED|secret thoughts|rs_9/);
    expect(body).toContain('Graz');
  });

  it('hands out two parallel tool calls whole, and sends both results back', async () => {
    const calls = [
      { name: 'get_weather', arguments: { city: 'Wien' } },
      { name: 'get_weather', arguments: { city: 'Linz' } },
    ];
    const { parts } = await ask({ toolCalls: calls });
    const made = callsOfParts(parts);
    expect(made.map((call) => JSON.parse(call.arguments) as unknown)).toEqual([{ city: 'Wien' }, { city: 'Linz' }]);
    expect(new Set(made.map((call) => call.id)).size).toBe(2);
    expect(finishOfParts(parts)).toMatchObject({ reason: 'tool_calls' });

    simulator.script({ text: 'Both are sunny.' });
    const results = made.map((call, index) => toolAnswers(call.id, call.name, `result ${index}`));
    const { error } = await attempt(model, { ...ASK, messages: [...ASK.messages, answerOf(parts, providerType), ...results] });
    expect(error).toBeUndefined();
    const body = JSON.stringify(simulator.requests[1]?.body);
    for (const expected of ['Wien', 'Linz', 'result 0', 'result 1']) expect(body).toContain(expected);
  });

  it('counts cached and reasoning tokens', async () => {
    const usage = { inputTokens: 1000, outputTokens: 50, cacheReadTokens: 800, reasoningTokens: 20 };
    const { parts } = await ask({ text: 'ok', usage });
    expect(finishOfParts(parts)?.usage).toEqual(usage);
  });

  it('reports 429 with what retry-after says', async () => {
    const { error } = await ask({ error: { status: 429, headers: { 'retry-after': '7' } } });
    expect(failsWith(error, 'rate_limited')).toMatchObject({ status: 429, retryAfterMs: 7000, retryable: true });
  });

  it('reports 500 as unavailable', async () => {
    expect(failsWith((await ask({ error: { status: 500 } })).error, 'unavailable')).toMatchObject({ status: 500, retryable: true });
  });

  it('reports a refused key without quoting it', async () => {
    const { error } = await ask({ error: { status: 401, message: `Incorrect API key provided: ${KEY}.` } });
    expect(failsWith(error, 'authentication').retryable).toBe(false);
  });

  it.each<[string, WireReply]>([
    ['before the headers', { cutAfter: 'request', text: 'never' }],
    ['after the headers', { cutAfter: 'headers', text: 'never' }],
    ['before the first token', { cutAfter: 0, text: 'never said' }],
    ['by a clean end before the first token', { endAfter: 0, text: 'never said' }],
  ])('reports a connection cut %s', async (_, reply) => {
    const { parts, error } = await ask(reply);
    expect(failsWith(error, 'cut').retryable).toBe(true);
    expect(textOfParts(parts)).toBe('');
    expect(finishOfParts(parts)).toBeUndefined();
  });

  it.each<[string, WireReply]>([
    ['cut', { cutAfter: 2, text: 'one two three four' }],
    ['clean end', { endAfter: 2, text: 'one two three four' }],
  ])('hands out the text that came before a %s, then fails', async (_, reply) => {
    const { parts, error } = await ask(reply);
    failsWith(error, 'cut');
    expect(textOfParts(parts)).toBe('one two ');
    expect(finishOfParts(parts)).toBeUndefined();
  });

  // A call of Gemini is one frame.
  if (protocol !== 'google') {
    it('hands out no half tool call when the stream ends too early', async () => {
      const { parts, error } = await ask({ endAfter: 2, toolCalls: [{ name: 'get_weather', arguments: { city: 'Sankt Pölten' } }] });
      failsWith(error, 'cut');
      expect(callsOfParts(parts)).toEqual([]);
    });
  }

  it('reports an error that arrives in mid-stream', async () => {
    const { parts, error } = await ask({ text: 'Half of it', streamError: { status: 500, message: 'The engine stumbled.' } });
    failsWith(error, 'unavailable');
    expect(textOfParts(parts)).toBe('Half of it');
  });

  it.each<[string, WireReply]>([
    ['before the headers', { stallAfter: 'request', text: 'never' }],
    ['after the headers', { stallAfter: 'headers', text: 'never' }],
    ['after the first token', { stallAfter: 1, text: 'one two' }],
  ])('ends a call that stalls %s when it is aborted, at the provider too', async (_, reply) => {
    simulator.script(reply);
    const controller = new AbortController();
    const reason = new Error('stalled for too long');
    const running = attempt(model, ASK, controller.signal);
    await vi.waitFor(() => expect(simulator.requests).toHaveLength(1));
    const abortedAt = performance.now();
    controller.abort(reason);
    expect((await running).error).toBe(reason);
    expect(performance.now() - abortedAt).toBeLessThan(2000);
    await vi.waitFor(() => expect(simulator.requests[0]?.outcome).toBe('aborted'));
  });

  it('closes the connection when the reader leaves early', async () => {
    simulator.script({ stallAfter: 2, text: 'one two three' });
    const iterator = model.stream(ASK, new AbortController().signal)[Symbol.asyncIterator]();
    while ((await iterator.next()).value?.type !== 'text');
    await iterator.return?.();
    await vi.waitFor(() => expect(simulator.requests[0]?.outcome).toBe('aborted'));
  });

  it('closes the connection when the stream reports an error and stays open', async () => {
    failsWith((await ask({ streamError: { status: 500 }, stallAfter: 0 })).error, 'unavailable');
    await vi.waitFor(() => expect(simulator.requests[0]?.outcome).toBe('aborted'));
  });

  it('lets a finished answer end in its own time, without waiting for it', async () => {
    simulator.script({ text: 'Done.', endDelayMs: 30 });
    expect(textOfParts((await attempt(model, ASK)).parts)).toBe('Done.');
    await vi.waitFor(() => expect(simulator.requests[0]?.outcome).toBe('complete'));
  });

  it.each<[string, WireReply]>([
    ['a web page', { garbage: { body: '<html><body>Welcome to nginx!</body></html>' } }],
    ['broken events', { garbage: { body: 'data: {"half":\n\n', contentType: 'text/event-stream' } }],
    ['an unexpected object', { garbage: { body: '{"ok":true}', contentType: 'application/json' } }],
  ])('reports %s instead of an answer as an invalid response', async (_, reply) => {
    expect(failsWith((await ask(reply)).error, 'invalid_response').retryable).toBe(false);
  });

  it('passes broken JSON in tool arguments on as it is', async () => {
    const { parts, error } = await ask({ toolCalls: [{ name: 'get_weather', rawArguments: '{"city": "Wi' }] });
    expect(error).toBeUndefined();
    const expected: Partial<ModelPart> =
      protocol === 'google' ? { reason: 'error', rawReason: 'MALFORMED_FUNCTION_CALL' } : { reason: 'tool_calls' };
    expect(finishOfParts(parts)).toMatchObject(expected);
    expect(callsOfParts(parts).map((call) => call.arguments)).toEqual(protocol === 'google' ? [] : ['{"city": "Wi']);
  });

  it('says that the output limit was reached', async () => {
    expect(finishOfParts((await ask({ text: 'And so on', finish: 'length' })).parts)).toMatchObject({ reason: 'length' });
  });
});
