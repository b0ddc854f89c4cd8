import { describe, expect, it } from 'vitest';
import { type Json, type ModelMessage, ModelError, type ModelPart, type ModelRequest } from '@everruns/agent/model';
import { answerOf, attempt, callsOfParts, finishOfParts, requestOf, textOfParts, toolAnswers, userSays } from '../testing/collect.ts';
import { llmsimDriver } from './driver.ts';

const CLOCK = { name: 'get_current_time', description: 'Tells the time', parameters: { type: 'object' } };

function open(model = 'llmsim-default', options?: Record<string, Json>, wait?: (ms: number, signal: AbortSignal) => Promise<void>) {
  return llmsimDriver(wait === undefined ? {} : { wait }).create({ providerType: 'llmsim', model, ...(options && { options }) });
}

async function play(request: ModelRequest, model?: string, options?: Record<string, Json>) {
  const { parts, error } = await attempt(open(model, options), request);
  return {
    parts,
    error: error as ModelError | undefined,
    text: textOfParts(parts),
    calls: callsOfParts(parts),
    finish: finishOfParts(parts),
  };
}

function scripted(script: Json): ModelMessage {
  return userSays(`Play this:\n\`\`\`llmsim\n${JSON.stringify(script)}\n\`\`\`\nThank you.`);
}

function answered(text: string): ModelMessage {
  return { role: 'assistant', content: [{ type: 'text', text }], providerType: 'llmsim' };
}

describe('the default model', () => {
  it('says that it is simulated, and repeats the user', async () => {
    const { text, finish } = await play(requestOf([userSays('Hello there')]));
    expect(text).toContain('simulated');
    expect(text).toContain('Hello there');
    expect(finish).toMatchObject({ reason: 'stop' });
  });

  it('streams word by word, in parts that make up the text', async () => {
    const { parts } = await play(requestOf([userSays('a  b\nc')]), 'llmsim-echo');
    const words = parts.flatMap((part) => (part.type === 'text' ? [part.delta] : []));
    expect(words).toEqual(['Echo: ', 'a  ', 'b\n', 'c']);
    expect(parts.map((part) => part.type)).toEqual(['response', 'text', 'text', 'text', 'text', 'text_end', 'finish']);
  });

  it('looks at the clock when it is asked for the time, and tells what it says', async () => {
    const first = await play(requestOf([userSays('What time is it?')], { tools: [CLOCK] }));
    expect(first.calls).toMatchObject([{ name: 'get_current_time', arguments: '{}' }]);
    expect(first.finish).toMatchObject({ reason: 'tool_calls' });
    const history = [
      userSays('What time is it?'),
      answerOf(first.parts, 'llmsim'),
      toolAnswers(first.calls[0]?.id ?? '', 'get_current_time', { datetime: '2026-11-21T10:00:00Z' }),
    ];
    const second = await play(requestOf(history, { tools: [CLOCK] }));
    expect(second.calls).toEqual([]);
    expect(second.text).toContain('2026-11-21T10:00:00Z');
    expect(second.text).toContain('simulated');
  });

  it('answers in words when no clock is offered', async () => {
    expect((await play(requestOf([userSays('What time is it?')]))).calls).toEqual([]);
  });

  it('counts four characters as a token', async () => {
    const request = requestOf([userSays('12345678')], { system: 'abcd' });
    expect((await play(request, 'llmsim-fixed', { text: 'twelve chars' })).finish?.usage).toEqual({ inputTokens: 3, outputTokens: 3 });
  });
});

describe('a script inside the conversation', () => {
  const script = {
    turns: [{ thinking: 'Hm, well.', text: 'First.', tool_calls: [{ name: 'f', arguments: { x: 1 } }] }, { text: 'Second.' }],
  };

  it('is played turn by turn, decided by the answers since its message', async () => {
    const first = await play(requestOf([scripted(script)]), 'llmsim-script');
    expect(textOfParts(first.parts, 'reasoning')).toBe('Hm, well.');
    expect([first.text, first.calls.length]).toEqual(['First.', 1]);
    expect(first.finish?.usage.reasoningTokens).toBe(3);
    const history = [scripted(script), answerOf(first.parts, 'llmsim'), toolAnswers(first.calls[0]?.id ?? '', 'f', 1)];
    expect((await play(requestOf(history), 'llmsim-script')).text).toBe('Second.');
  });

  it('gives an attempt that is repeated, on any worker, the same answer with the same ids', async () => {
    const [once, again] = await Promise.all([0, 1].map(() => play(requestOf([scripted(script)]), 'llmsim-script')));
    expect(once?.parts).toEqual(again?.parts);
    expect(once?.calls[0]?.id).toMatch(/^call_0_0_[0-9a-f]{8}$/);
  });

  it('names calls differently at every place of a session', async () => {
    const twice = [scripted(script), answered('x'), answered('y'), scripted(script)];
    const [first, second] = [await play(requestOf([scripted(script)]), 'llmsim-script'), await play(requestOf(twice), 'llmsim-script')];
    expect(second.text).toBe('First.');
    expect(second.calls[0]?.id).not.toBe(first.calls[0]?.id);
  });

  it('goes on through a steering message without a script', async () => {
    expect((await play(requestOf([scripted(script), answered('First.'), userSays('hurry')]), 'llmsim-script')).text).toBe('Second.');
  });

  it.each<[string, string | undefined]>([
    ['repeat_last', 'B'],
    ['loop', 'A'],
    ['error', undefined],
  ])('when it is exhausted: %s', async (onExhausted, expected) => {
    const ended = [scripted({ turns: [{ text: 'A' }, { text: 'B' }], on_exhausted: onExhausted }), answered('A'), answered('B')];
    const { text, error } = await play(requestOf(ended), 'llmsim-script');
    expect(expected === undefined ? error?.kind : text).toBe(expected ?? 'invalid_request');
  });

  it.each<[string, Json]>([
    ['without turns', { turns: [] }],
    ['with an unknown key', { turns: [{ words: 'x' }] }],
    ['with an unknown error', { turns: [{ error: 'bad luck' }] }],
  ])('%s is an invalid request', async (_, broken) => {
    const { error } = await play(requestOf([scripted(broken)]), 'llmsim-script');
    expect(error?.kind).toBe('invalid_request');
    expect(error?.message).toContain('llmsim block');
  });

  it('sends raw arguments as they are', async () => {
    const turn = { tool_calls: [{ id: 'mine', name: 'f', raw_arguments: '{"broken' }] };
    expect((await play(requestOf([scripted({ turns: [turn] })]), 'llmsim-script')).calls).toEqual([
      { type: 'tool_call', id: 'mine', name: 'f', arguments: '{"broken' },
    ]);
  });

  it('fails before any output, or after the text that it has', async () => {
    const early = await play(requestOf([scripted({ turns: [{ error: 'rate_limited', retry_after_ms: 50 }] })]), 'llmsim-script');
    expect([early.parts, early.error?.kind, early.error?.retryAfterMs]).toEqual([[], 'rate_limited', 50]);
    const late = await play(requestOf([scripted({ turns: [{ text: 'Half', error: 'unavailable' }] })]), 'llmsim-script');
    expect([late.text, late.error?.kind]).toEqual(['Half', 'unavailable']);
  });

  it('fails as often as it is told to', async () => {
    const model = open('llmsim-script');
    const request = requestOf([scripted({ turns: [{ text: 'At last.', error: 'unavailable', error_times: 2 }] })]);
    const attempts = [await attempt(model, request), await attempt(model, request), await attempt(model, request)];
    expect(attempts.map(({ error }) => (error as ModelError | undefined)?.kind)).toEqual(['unavailable', 'unavailable', undefined]);
  });

  it('breaks off after so many words', async () => {
    const { text, error, finish } = await play(
      requestOf([scripted({ turns: [{ text: 'one two three', cut_after: 2 }] })]),
      'llmsim-script',
    );
    expect([text, error?.kind, finish]).toEqual(['one two ', 'cut', undefined]);
  });

  it('stalls until it is aborted, after its text', async () => {
    const controller = new AbortController();
    const parts: ModelPart[] = [];
    const reading = (async () => {
      for await (const part of open('llmsim-script').stream(
        requestOf([scripted({ turns: [{ text: 'wait', stall: true }] })]),
        controller.signal,
      )) {
        parts.push(part);
        if (part.type === 'text_end') queueMicrotask(() => controller.abort(new Error('enough')));
      }
    })();
    await expect(reading).rejects.toThrow('enough');
    expect(textOfParts(parts)).toBe('wait');
  });

  it('answers like the default model when no message has a script', async () => {
    expect((await play(requestOf([userSays('just talk')]), 'llmsim-script')).text).toContain('just talk');
  });
});

describe('pace', () => {
  const waits = async (model: string, options: Record<string, Json> | undefined, request: ModelRequest): Promise<number[]> => {
    const waited: number[] = [];
    await attempt(
      open(model, options, async (ms) => void waited.push(ms)),
      request,
    );
    return waited;
  };
  const ask = requestOf([userSays('a b')]);

  it('has none by itself', async () => expect(await waits('llmsim-echo', undefined, ask)).toEqual([]));
  it('is realistic with -latency', async () => expect(await waits('llmsim-echo-latency', undefined, ask)).toEqual([400, 25, 25]));
  it('waits for the first word with -ttft-<ms>', async () => expect(await waits('llmsim-echo-ttft-70', undefined, ask)).toEqual([70]));
  it('follows the options', async () => {
    expect(await waits('llmsim-echo', { latency: { ttft_ms: 5, chunk_ms: 2 } }, ask)).toEqual([5, 2, 2]);
  });
  it('follows the turn of a script first', async () => {
    const script = scripted({ turns: [{ text: 'a b', delay_ms: 9, chunk_delay_ms: 4 }] });
    expect(await waits('llmsim-script-latency', undefined, requestOf([script]))).toEqual([9, 4]);
  });
  it('ends at once when it is aborted in a wait', async () => {
    const controller = new AbortController();
    const running = attempt(open('llmsim-echo-ttft-60000'), ask, controller.signal);
    controller.abort(new Error('stop'));
    expect((await running).error).toMatchObject({ message: 'stop' });
  });
});

describe('options of the provider', () => {
  const ask = requestOf([userSays('one'), answered('...'), userSays('two: use the tool')]);
  const call = { name: 'f', arguments: { a: 1 } };
  const afterResult = requestOf([...ask.messages, answered(''), toolAnswers('c', 'f', 'done')]);

  it.each<[string, Record<string, Json>, string]>([
    ['fixed', { sim: 'fixed', text: 'Always this.' }, 'Always this.'],
    ['echo', { sim: 'echo', prefix: '> ' }, '> two: use the tool'],
    ['lorem', { sim: 'lorem', tokens: 3 }, 'lorem ipsum dolor'],
    ['sequence', { sim: 'sequence', responses: ['A', 'B'] }, 'B'],
    ['script', { sim: 'script', script: { turns: [{ text: 'A' }, { text: 'B' }] } }, 'B'],
    ['empty', { sim: 'empty' }, ''],
  ])('%s', async (_, options, expected) => {
    const { text, finish } = await play(ask, 'llmsim-default', options);
    expect(text).toBe(expected);
    expect(finish).toMatchObject({ reason: 'stop' });
  });

  it('error, and a model that is not available', async () => {
    expect((await play(ask, 'llmsim-default', { sim: 'error', error: 'quota' })).error?.kind).toBe('quota');
    expect((await play(ask, 'llmsim-default', { sim: 'model_not_available' })).error?.kind).toBe('model_unavailable');
  });

  it.each<[string, Json, ModelRequest, number]>([
    ['none', { mode: 'none' }, ask, 0],
    ['fixed', { mode: 'fixed', calls: [call, call] }, ask, 2],
    ['fixed, answered', { mode: 'fixed', calls: [call] }, afterResult, 0],
    ['conditional', { mode: 'conditional', when: [{ contains: 'use the tool', calls: [call] }] }, ask, 1],
    ['conditional, not met', { mode: 'conditional', when: [{ contains: 'sing', calls: [call] }] }, ask, 0],
    ['sequence, first step', { mode: 'sequence', steps: [[call], [call, call]] }, ask, 1],
    ['sequence, second step', { mode: 'sequence', steps: [[call], [call, call]] }, afterResult, 2],
  ])('tool calls: %s', async (_, toolCalls, request, expected) => {
    const { calls } = await play(request, 'llmsim-default', { sim: 'fixed', text: 'ok', tool_calls: toolCalls });
    expect(calls).toHaveLength(expected);
    expect(new Set(calls.map(({ id }) => id)).size).toBe(expected);
  });

  it('that are not valid make a misconfigured provider', () => {
    expect(() => open('llmsim-default', { sim: 'dance' })).toThrow(ModelError);
  });
});
