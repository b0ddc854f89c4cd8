import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ModelDetached, ModelError, type ModelPart, type ModelRequest, type ReplayState } from '@everruns/agent/model';
import { builtinDrivers } from '../../builtin.ts';
import { createModelRegistry } from '../../registry.ts';
import { type BackgroundSimulator, startBackgroundSimulator } from '../../testing/background-simulator.ts';
import { answerOf, attempt, callsOfParts, finishOfParts, requestOf, textOfParts, toolAnswers, userSays } from '../../testing/collect.ts';
import type { WireReply } from '../../testing/wire-simulator.ts';

const TEXT = 'A long answer that takes its time to arrive.';
const LOOK_UP = { name: 'look_up', description: 'Looks a thing up', parameters: { type: 'object', properties: {} } };
const ASK = requestOf([userSays('Take your time.')], { tools: [LOOK_UP], reasoningEffort: 'high' });

describe('background responses', () => {
  let simulator: BackgroundSimulator;

  beforeEach(async () => {
    simulator = await startBackgroundSimulator();
  });
  afterEach(() => simulator.close());

  const openModel = (at = simulator) =>
    createModelRegistry({ drivers: builtinDrivers() }).open({
      providerType: 'openai',
      model: 'gpt-5.4',
      apiKey: 'sk-test-background',
      baseUrl: at.baseUrl,
      options: { background: true },
    });

  /** A worker that reads up to a point and dies: it stores what is resumable, and neither aborts nor returns. */
  const dieAt = async (request: ModelRequest, isEnd: (part: ModelPart) => boolean): Promise<ReplayState | undefined> => {
    let stored: ReplayState | undefined;
    const iterator = openModel().stream(request, new AbortController().signal)[Symbol.asyncIterator]();
    for (;;) {
      const next = await iterator.next();
      if (next.done === true) throw new Error('The answer ended before the point of death.');
      if (next.value.type === 'resumable') stored = next.value.state;
      if (isEnd(next.value)) return stored;
    }
  };

  it('hands out the id before anything else of the answer', async () => {
    simulator.script({ text: TEXT });
    const { parts, error } = await attempt(openModel(), ASK);
    expect(error).toBeUndefined();
    expect(parts[0]).toEqual({ type: 'resumable', state: { responseId: 'resp_bg_0' } });
    expect(textOfParts(parts)).toBe(TEXT);
    expect(finishOfParts(parts)).toMatchObject({ reason: 'stop', usage: { inputTokens: 11, outputTokens: 7 } });
    expect(simulator.requests[0]).toMatchObject({ background: true, store: true, stream: true, include: ['reasoning.encrypted_content'] });
  });

  it('leaves the response running when its reader leaves', async () => {
    simulator.script({ text: TEXT });
    const iterator = openModel().stream(ASK, new AbortController().signal)[Symbol.asyncIterator]();
    expect((await iterator.next()).value).toMatchObject({ type: 'resumable' });
    expect((await iterator.next()).value).toMatchObject({ type: 'response', id: 'resp_bg_0' });
    await iterator.return?.();
    await vi.waitFor(async () => expect(await statusOf(simulator, { responseId: 'resp_bg_0' })).toBe('completed'));
    expect(simulator.cancellations).toEqual([]);
  });

  it.each<[string, (part: ModelPart) => boolean]>([
    ['right after the id was stored', (part) => part.type === 'resumable'],
    ['before the first token', (part) => part.type === 'response'],
    ['in the middle of the text', (part) => part.type === 'text'],
    ['after the text, before the end', (part) => part.type === 'text_end'],
  ])('is taken over %s: one creation, the whole answer', async (_, isEnd) => {
    simulator.script({ thinking: { text: 'Let me think.', state: 'SEALED' }, text: TEXT });
    const resume = await dieAt(ASK, isEnd);
    if (resume === undefined) throw new Error('Nothing was stored.');
    const { parts, error } = await attempt(openModel(), { ...ASK, resume });
    expect(error).toBeUndefined();
    expect(textOfParts(parts, 'reasoning')).toBe('Let me think.');
    expect(textOfParts(parts)).toBe(TEXT);
    expect(parts.find((part) => part.type === 'reasoning_end')).toMatchObject({ replay: { reasoningEncryptedContent: 'SEALED' } });
    expect(parts.some((part) => part.type === 'resumable')).toBe(false);
    expect(simulator.creations).toBe(1);
  });

  it('starts one response only when the worker dies before it could store the id', async () => {
    simulator.hold();
    simulator.script({ text: TEXT });
    const request = { ...ASK, idempotencyKey: 'step-7-attempt-1' };
    const dead = openModel().stream(request, new AbortController().signal)[Symbol.asyncIterator]();
    await dead.next();
    simulator.release();
    expect(textOfParts((await attempt(openModel(), request)).parts)).toBe(TEXT);
    expect(simulator.creations).toBe(1);
  });

  it('reads a response that finished while nobody listened', async () => {
    const calls = [{ name: 'look_up', arguments: { what: 'it' } }];
    simulator.script({ thinking: { text: 'Thought.', state: 'SEALED' }, text: TEXT, toolCalls: calls });
    const resume = await dieAt(ASK, (part) => part.type === 'resumable');
    await vi.waitFor(async () => expect(await statusOf(simulator, resume)).toBe('completed'));
    const { parts } = await attempt(openModel(), { ...ASK, ...(resume && { resume }) });
    expect([textOfParts(parts, 'reasoning'), textOfParts(parts)]).toEqual(['Thought.', TEXT]);
    expect(callsOfParts(parts)).toMatchObject([{ name: 'look_up', arguments: '{"what":"it"}' }]);
    expect(finishOfParts(parts)).toMatchObject({ reason: 'tool_calls' });
    expect(simulator.creations).toBe(1);

    const [call] = callsOfParts(parts);
    const messages = [...ASK.messages, answerOf(parts, 'openai'), toolAnswers(call?.id ?? '', 'look_up', 'found')];
    await attempt(openModel(), { ...ASK, messages });
    expect(JSON.stringify(simulator.requests[1])).toContain('SEALED');
  });

  it('goes on over broken connections without repeating a word', async () => {
    simulator.script({ text: TEXT });
    const parts: ModelPart[] = [];
    for await (const part of openModel().stream(ASK, new AbortController().signal)) {
      parts.push(part);
      if (part.type === 'text' && parts.length % 3 === 0) simulator.cutConnections();
    }
    expect(textOfParts(parts)).toBe(TEXT);
    expect(simulator.creations).toBe(1);
  });

  it('polls a response whose stream cannot be read', async () => {
    await using polled = await startBackgroundSimulator({ refusesAttach: true, stepMs: 1 });
    polled.script({ text: TEXT });
    const iterator = openModel(polled).stream(ASK, new AbortController().signal)[Symbol.asyncIterator]();
    const first = await iterator.next();
    polled.cutConnections();
    const resume = (first.value as Extract<ModelPart, { type: 'resumable' }>).state;
    const { parts, error } = await attempt(openModel(polled), { ...ASK, resume });
    expect(error).toBeUndefined();
    expect(textOfParts(parts)).toBe(TEXT);
    expect(polled.creations).toBe(1);
  });

  it('cancels the response at the provider when it is aborted', async () => {
    simulator.script({ text: TEXT });
    const controller = new AbortController();
    const reason = new Error('cancelled by the user');
    const parts: ModelPart[] = [];
    const reading = (async () => {
      for await (const part of openModel().stream(ASK, controller.signal)) {
        parts.push(part);
        if (part.type === 'text') controller.abort(reason);
      }
    })();
    await expect(reading).rejects.toBe(reason);
    await vi.waitFor(() => expect(simulator.cancellations).toEqual(['resp_bg_0']));
  });

  it('cancels a response whose id had not arrived yet', async () => {
    const controller = new AbortController();
    const slow: typeof fetch = async (input, init) => {
      const answer = await fetch(input, init);
      if (init?.method === 'POST' && init.body !== undefined) {
        controller.abort(new Error('too late'));
        await new Promise((resolve) => setTimeout(resolve, 30));
      }
      return answer;
    };
    const model = createModelRegistry({ drivers: builtinDrivers({ fetch: slow }) }).open({
      providerType: 'openai',
      model: 'gpt-5.4',
      apiKey: 'sk-test-background',
      baseUrl: simulator.baseUrl,
      options: { background: true },
    });
    simulator.hold();
    expect((await attempt(model, ASK, controller.signal)).error).toMatchObject({ message: 'too late' });
    await vi.waitFor(() => expect(simulator.cancellations).toEqual(['resp_bg_0']));
  });

  it('lets the response go on when its reader is detached, and starts anew when it had been cancelled', async () => {
    simulator.script({ text: TEXT }, { text: 'Second try.' });
    const controller = new AbortController();
    let resume: ReplayState | undefined;
    const reading = (async () => {
      for await (const part of openModel().stream(ASK, controller.signal)) {
        if (part.type === 'resumable') resume = part.state;
        if (part.type === 'text') controller.abort(new ModelDetached('the lease moved'));
      }
    })();
    await expect(reading).rejects.toBeInstanceOf(ModelDetached);
    if (resume === undefined) throw new Error('Nothing was stored.');
    expect(textOfParts((await attempt(openModel(), { ...ASK, resume })).parts)).toBe(TEXT);
    expect([simulator.creations, simulator.cancellations]).toEqual([1, []]);

    const gone = await attempt(openModel(), { ...ASK, resume: { responseId: 'resp_unknown' } });
    expect(textOfParts(gone.parts)).toBe('Second try.');
    expect(gone.parts[0]).toMatchObject({ type: 'resumable' });
  });

  it.each<[string, WireReply]>([
    ['that fails in its course', { text: 'Half', streamError: { status: 500, code: 'server_error' } }],
    ['that fails at once', { streamError: { status: 500, code: 'server_error' } }],
  ])('reports a response %s', async (_, reply) => {
    simulator.script(reply);
    const { error } = await attempt(openModel(), ASK);
    expect(error).toBeInstanceOf(ModelError);
    expect((error as ModelError).kind).toBe('unavailable');

    const again = await attempt(openModel(), { ...ASK, resume: { responseId: 'resp_bg_0' } });
    expect(finishOfParts(again.parts)).toMatchObject({ reason: 'stop' });
    expect(simulator.creations).toBe(2);
  });
});

async function statusOf(simulator: BackgroundSimulator, resume: ReplayState | undefined): Promise<unknown> {
  const answer = await fetch(`${simulator.baseUrl}/responses/${idOf(resume)}`);
  return ((await answer.json()) as { status: unknown }).status;
}

function idOf(resume: ReplayState | undefined): string {
  const id = resume?.['responseId'];
  return typeof id === 'string' ? id : '';
}
