import { describe, expect, it } from 'vitest';
import type { ReasonInput, ReasonOutcome } from '@everruns/contract';
import { createFakeModel, finish, says, type ScriptStep } from '@everruns/testing/fake-model';
import { createManualClock } from '@everruns/testing/manual-clock';
import {
  agentMessage,
  createRecordingLog,
  createRecordingSink,
  reasonInput,
  toolResult,
  userMessage,
} from '@everruns/testing/step-fixtures';
import { createCapabilityRegistry, toolSuccess, type Capability, type JsonObject } from '../capability.ts';
import { ModelDetached, ModelError, type ModelRegistry } from '../model.ts';
import { runReasonStep, type ReasonDeps } from './reason-step.ts';

const echo: Capability = {
  info: {
    id: 'echo',
    name: 'Echo',
    description: 'Echo',
    status: 'available',
    risk_level: 'low',
    tools: [],
    features: [],
    dependencies: [],
  },
  resolve: () => ({
    prompt: 'Echo things.',
    tools: [
      {
        definition: { name: 'echo', description: 'Says it again', parameters: { type: 'object' }, hints: { readonly: true } },
        execute: (args) => toolSuccess(args),
      },
    ],
  }),
};

interface SetUp {
  input?: Partial<ReasonInput>;
  deps?: Partial<ReasonDeps>;
  checkpoint?: JsonObject;
  holdCheckpoints?: boolean;
}

function start(script: ScriptStep[][], setUp: SetUp = {}) {
  const clock = createManualClock();
  const models = createFakeModel(clock, script);
  const sink = createRecordingSink({ holdCheckpoints: setUp.holdCheckpoints ?? false });
  const log = createRecordingLog();
  const abort = new AbortController();
  const deps: ReasonDeps = { models, capabilities: createCapabilityRegistry([echo]), clock, random: () => 0.5, log, ...setUp.deps };
  const task = { input: reasonInput(setUp.input), sink, ...(setUp.checkpoint !== undefined && { checkpoint: setUp.checkpoint }) };
  const result = runReasonStep(task, deps, abort.signal);
  result.catch(() => undefined);
  const outcome = async () => (await result) as ReasonOutcome;
  return { clock, models, sink, log, abort, result, outcome };
}

const types = (outcome: ReasonOutcome) => outcome.events.map(({ type }) => type);

describe('an answer', () => {
  it('that is whole within 5 ms carries its start event along and streams nothing', async () => {
    const { outcome, sink, models } = start([[{ type: 'response', id: 'r1', model: 'test-model-2' }, ...says('Hello there.')]]);
    const result = await outcome();
    expect(result).toMatchObject({
      kind: 'reason',
      success: true,
      text: 'Hello there.',
      phase: 'final_answer',
      phase_source: 'derived',
      calls: [],
      max_iterations: 500,
      usage: { input_tokens: 10, output_tokens: 5 },
      finish_reason: 'stop',
      response_id: 'r1',
      response_model: 'test-model-2',
      time_to_first_token_ms: 0,
      answered: { seen: 1, model: { provider_type: 'openai', model: 'test-model' } },
    });
    expect(result.events).toEqual([
      {
        type: 'output.message.started',
        data: {
          turn_id: 'turn_00000000000000000000000000000001',
          message_id: 'message_0000000000000000000000000000000a',
          iteration: 1,
          model: 'test-model',
        },
      },
    ]);
    expect(sink.log).toEqual([]);
    expect(models.endpoints).toEqual([{ providerType: 'openai', model: 'test-model', apiKey: 'sk-secret' }]);
    expect(models.requests[0]).toMatchObject({
      system: '<system-prompt tier="harness">\nBe brief.\n</system-prompt>',
      messages: [{ role: 'user', content: [{ type: 'text', text: 'Hello' }] }],
      metadata: { session_id: 'session_00000000000000000000000000000001', harness_id: 'harness_00000000000000000000000000000001' },
    });
  });

  it('that takes longer streams all of its text, first token at once, then every 100 ms', async () => {
    const { outcome, sink, clock } = start([
      [
        { waitMs: 40 },
        { type: 'text', delta: 'One' },
        { waitMs: 20 },
        { type: 'text', delta: ' two' },
        { waitMs: 90 },
        { type: 'text', delta: ' three' },
        finish(),
      ],
    ]);
    await clock.advance(1_000);
    const result = await outcome();
    expect(result).toMatchObject({ text: 'One two three', events: [], time_to_first_token_ms: 40, duration_ms: 150 });
    expect(
      sink.log.map((entry) =>
        'append' in entry ? entry.append.map(({ type }) => type) : 'delta' in entry ? entry.delta.text : 'checkpoint',
      ),
    ).toEqual([['output.message.started'], 'One', ' two', ' three']);
    expect(sink.text('output')).toBe(result.text);
  });

  it('carries the price when it is known', async () => {
    const { outcome } = start([says('x')], { deps: { priceOf: (_, { inputTokens }) => inputTokens / 100 } });
    expect((await outcome()).usage).toEqual({ input_tokens: 10, output_tokens: 5, estimated_cost_usd: 0.1 });
  });

  it('with tool calls is commentary and plans them', async () => {
    const { outcome } = start(
      [[{ type: 'text', delta: 'Let me see.' }, { type: 'tool_call', id: 'c1', name: 'echo', arguments: '{"a":1}' }, finish('tool_calls')]],
      {
        input: {
          layers: [{ tier: 'agent', id: 'agent_1', capabilities: [{ ref: 'echo' }], max_iterations: 9, parallel_tool_calls: false }],
        },
      },
    );
    expect(await outcome()).toMatchObject({
      success: true,
      phase: 'commentary',
      max_iterations: 9,
      parallel_tool_calls: false,
      calls: [
        { id: 'c1', name: 'echo', arguments: { a: 1 }, side: 'server', effect: 'readonly', capability: { ref: 'echo', name: 'Echo' } },
      ],
      tools: [{ name: 'echo', description: 'Says it again', capability_id: 'echo' }],
    });
  });

  it('with calls and no text has no message start', async () => {
    const { outcome } = start([[{ type: 'tool_call', id: 'c1', name: 'nope', arguments: '{}' }, finish('tool_calls')]]);
    const result = await outcome();
    expect(result.events).toEqual([]);
    expect(result.calls[0]?.problem).toBe('There is no tool named "nope". There are no tools.');
  });

  it('names one prompt by one hash and another by another', async () => {
    const hash = async (prompt: string) =>
      (await start([says('x')], { input: { layers: [{ tier: 'agent', id: 'a', system_prompt: prompt }] } }).outcome()).prompt_hash;
    expect(await hash('A')).toBe(await hash('A'));
    expect(await hash('A')).not.toBe(await hash('B'));
    expect(await hash('A')).toMatch(/^[0-9a-f]{64}$/);
  });
});

describe('thinking', () => {
  it('is one episode of its blocks, with its own start, deltas and end, before the message', async () => {
    const { outcome, sink, clock } = start([
      [
        { type: 'reasoning', delta: 'First' },
        { type: 'reasoning_end', replay: { enc: 'E1' }, itemId: 'rs_1' },
        { waitMs: 10 },
        { type: 'reasoning', delta: 'second' },
        { type: 'reasoning_end', replay: { enc: 'E2' }, itemId: 'rs_2' },
        { waitMs: 10 },
        { type: 'text', delta: 'Answer' },
        { waitMs: 10 },
        { type: 'text_end', replay: { item: 'm' } },
        finish(),
      ],
    ]);
    await clock.advance(1_000);
    const result = await outcome();
    expect(result.thinking).toBe('First\n\nsecond');
    expect(sink.text('thinking')).toBe('First\n\nsecond');
    expect(sink.log.flatMap((entry) => ('append' in entry ? [entry.append.map(({ type }) => type)] : []))).toEqual([
      ['reason.thinking.started'],
      ['reason.thinking.completed', 'reason.item', 'reason.item', 'output.message.started'],
    ]);
    expect(sink.log.flatMap((entry) => ('append' in entry ? entry.append : []))[1]?.data).toEqual({
      turn_id: 'turn_00000000000000000000000000000001',
      thinking: 'First\n\nsecond',
    });
    expect(result.replay).toEqual({
      provider_type: 'openai',
      parts: [
        { type: 'reasoning', text: 'First', replay: { enc: 'E1' } },
        { type: 'reasoning', text: 'second', replay: { enc: 'E2' } },
        { type: 'text', start: 0, end: 6, replay: { item: 'm' } },
      ],
    });
  });

  it('that goes on after text is another episode, whose deltas begin at 0 again', async () => {
    const { outcome, sink, clock } = start([
      [
        { type: 'reasoning', delta: 'One' },
        { waitMs: 10 },
        { type: 'text', delta: 'Well' },
        { waitMs: 10 },
        { type: 'reasoning', delta: 'Two' },
        { waitMs: 10 },
        { type: 'text', delta: 'Done' },
        { waitMs: 10 },
        finish(),
      ],
    ]);
    await clock.advance(1_000);
    expect(await outcome()).toMatchObject({ thinking: 'One\n\nTwo', text: 'Well\n\nDone' });
    const deltas = sink.log.flatMap((entry) => ('delta' in entry ? [entry.delta] : []));
    expect(deltas.filter(({ stream }) => stream === 'thinking').map(({ offset, text }) => [offset, text])).toEqual([
      [0, 'One'],
      [0, 'Two'],
    ]);
    expect(sink.text('output')).toBe('Well\n\nDone');
    const thoughts = sink.log
      .flatMap((entry) => ('append' in entry ? entry.append : []))
      .filter(({ type }) => type === 'reason.thinking.completed');
    expect(thoughts.map(({ data }) => data.thinking)).toEqual(['One', 'Two']);
  });

  it('names its items without the opaque state', async () => {
    const { outcome } = start([[{ type: 'reasoning_end', replay: { enc: 'E1' }, itemId: 'rs_1' }, ...says('x')]]);
    const result = await outcome();
    expect(types(result)).toEqual(['reason.item', 'output.message.started']);
    expect(result.events[0]?.data).toEqual({
      turn_id: 'turn_00000000000000000000000000000001',
      provider: 'openai',
      item_id: 'rs_1',
      model: 'test-model',
    });
  });

  it('comes back to the same provider on the next step, calls under their planned ids', async () => {
    const first = start(
      [
        [
          { type: 'reasoning', delta: 'Hm' },
          { type: 'reasoning_end', replay: { s: 1 } },
          { type: 'tool_call', id: 'c1', name: 'echo', arguments: '{}', replay: { t: 2 } },
          finish('tool_calls'),
        ],
      ],
      { input: { messages: [userMessage('x'), agentMessage('', [{ id: 'c1', name: 'echo' }]), toolResult('c1', 1)] } },
    );
    const outcome = await first.outcome();
    const call = outcome.calls[0];
    expect(call?.id).toBe('call_0000000000000000000000000000000a_0');
    const answer = agentMessage('', [{ id: call?.id ?? '', name: 'echo' }], outcome.replay === undefined ? {} : { replay: outcome.replay });
    const second = start([says('y')], { input: { messages: [userMessage('x'), answer, toolResult(call?.id ?? '', 1)] } });
    await second.outcome();
    expect(second.models.requests[0]?.messages[1]).toEqual({
      role: 'assistant',
      providerType: 'openai',
      content: [
        { type: 'reasoning', text: 'Hm', replay: { s: 1 } },
        { type: 'tool_call', id: call?.id, name: 'echo', arguments: {}, replay: { t: 2 } },
      ],
    });
  });
});

describe('a call that fails', () => {
  const busy = () => new ModelError('rate_limited', 'slow down', { status: 429, retryAfterMs: 3_000 });

  it('before any output is made again after the wait that the provider asks for', async () => {
    const { outcome, clock, models } = start([[busy()], says('Now')]);
    await clock.advance(2_999);
    expect(models.requests).toHaveLength(1);
    await clock.advance(1);
    expect(await outcome()).toMatchObject({ success: true, text: 'Now', retry: { attempts: 1, total_wait_ms: 3_000 } });
  });

  it('three times ends the turn with a text for people and the session usable', async () => {
    const down = () => [new ModelError('unavailable', 'HTTP 500', { status: 500 })];
    const { outcome, clock, models, log } = start([down(), down(), down()]);
    await clock.advance(10_000);
    expect(await outcome()).toMatchObject({
      success: false,
      text: '',
      calls: [],
      events: [],
      retry: { attempts: 2, total_wait_ms: 3_000 },
      error: { code: 'provider_unavailable', provider_fault: true, disclosure: 'standard' },
    });
    expect(models.requests).toHaveLength(3);
    expect(log.lines[0]?.fields).toMatchObject({ kind: 'unavailable', status: 500 });
  });

  it('for good is not made again', async () => {
    const { outcome, models } = start([[new ModelError('quota', 'no credit')]]);
    expect((await outcome()).error?.code).toBe('provider_quota_exhausted');
    expect(models.requests).toHaveLength(1);
  });

  it('after output keeps the text, drops its calls and is not made again', async () => {
    const { outcome, clock, sink, models } = start([
      [
        { type: 'text', delta: 'Half of ' },
        { waitMs: 20 },
        { type: 'text', delta: 'it' },
        { type: 'tool_call', id: 'c', name: 'echo', arguments: '{}' },
        new ModelError('cut', 'connection lost'),
      ],
    ]);
    await clock.advance(1_000);
    const result = await outcome();
    expect(result).toMatchObject({ success: false, text: 'Half of it', calls: [], error: { code: 'provider_unavailable' } });
    expect(sink.text('output')).toBe('Half of it');
    expect(models.requests).toHaveLength(1);
    expect(result).not.toHaveProperty('replay');
  });

  it('in the middle of thinking still ends the episode', async () => {
    const { outcome } = start([[{ type: 'reasoning', delta: 'Hm' }, new ModelError('cut', 'lost')]]);
    expect(types(await outcome())).toEqual(['reason.thinking.started', 'reason.thinking.completed']);
  });

  it('by ending without an end counts as cut', async () => {
    const { outcome, clock } = start([[{ type: 'response', id: 'r' }], says('Again')]);
    await clock.advance(1_000);
    expect(await outcome()).toMatchObject({ success: true, text: 'Again', retry: { attempts: 1 } });
  });

  it('by hanging for the stall time-out is given up and made again', async () => {
    const { outcome, clock, models } = start([['hang'], says('Back')]);
    await clock.advance(119_999);
    expect(models.requests).toHaveLength(1);
    await clock.advance(1_001);
    expect(await outcome()).toMatchObject({ text: 'Back', retry: { attempts: 1, total_wait_ms: 1_000 } });
  });

  it('by hanging after output ends the turn with what there is', async () => {
    const { outcome, clock } = start([
      [{ type: 'text', delta: 'So far' }, { waitMs: 119_000 }, { type: 'text', delta: ' so good' }, 'hang'],
    ]);
    await clock.advance(300_000);
    expect(await outcome()).toMatchObject({
      success: false,
      text: 'So far so good',
      error: { code: 'provider_unavailable' },
      duration_ms: 239_000,
    });
  });

  it('shows as much as the message allows, never the key', async () => {
    const detailed: Capability = { ...echo, resolve: () => ({ tools: [], error_disclosure: 'detailed' }) };
    const deps = { capabilities: createCapabilityRegistry([detailed]) };
    const layers = [{ tier: 'agent' as const, id: 'a', capabilities: [{ ref: 'echo' }] }];
    const script = () => [[new ModelError('invalid_request', 'bad key sk-secret')]];
    const open = start(script(), { deps, input: { layers } });
    expect((await open.outcome()).error).toMatchObject({ disclosure: 'detailed', detail: 'invalid_request: bad key ***' });
    const shut = start(script(), { deps, input: { layers, controls: { error_disclosure: 'generic' } } });
    expect((await shut.outcome()).error).toMatchObject({ disclosure: 'generic', code: 'processing_error' });
    expect(JSON.stringify([open.log.lines, shut.log.lines])).not.toContain('sk-secret');
  });
});

describe('a call that cannot be made', () => {
  it.each([
    [{ problem: 'provider_misconfigured' as const }, 'provider_misconfigured'],
    [{ problem: 'model_unavailable' as const }, 'model_unavailable'],
    [{ problem: 'dependency_unavailable' as const }, 'dependency_unavailable'],
  ])('because the server reports %j asks no provider', async (problem, code) => {
    const { outcome, models } = start([], { input: { model: { provider_type: 'openai', model: 'm', ...problem } } });
    expect(await outcome()).toMatchObject({ success: false, error: { code } });
    expect(models.endpoints).toEqual([]);
  });

  it('because no driver or key exists is reported as the agreed sentence', async () => {
    const models: ModelRegistry = {
      open() {
        throw new ModelError('misconfigured', 'no key');
      },
    };
    const { outcome } = start([], { deps: { models } });
    expect((await outcome()).error?.text).toBe('I encountered an error while processing your request. Please try again later.');
  });

  it('because two tools have one name is a fault of the tools', async () => {
    const layers = [
      {
        tier: 'agent' as const,
        id: 'a',
        capabilities: [{ ref: 'echo' }],
        tools: [{ type: 'client_side' as const, name: 'echo', description: '', parameters: {} }],
      },
    ];
    expect((await start([], { input: { layers } }).outcome()).error?.code).toBe('invalid_tool_schema');
  });
});

describe('a bug', () => {
  it('in a driver is thrown, not told to the user', async () => {
    const { result } = start([[new TypeError('x is not a function')]]);
    await expect(result).rejects.toThrow('x is not a function');
  });
});

describe('cancel', () => {
  it('ends the call at once, also when the driver does not listen', async () => {
    const deaf: ModelRegistry = {
      open: () => ({ stream: () => ({ [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => undefined) }) }) }),
    };
    const { result, abort } = start([], { deps: { models: deaf } });
    setImmediate(() => abort.abort(new Error('cancelled')));
    await expect(result).rejects.toThrow('cancelled');
  });

  it('ends a wait for a retry at once and leaves no timer behind', async () => {
    const { result, abort, clock } = start([[new ModelError('unavailable', 'x')]]);
    await clock.advance(10);
    abort.abort(new Error('cancelled'));
    await expect(result).rejects.toThrow('cancelled');
    expect(clock.timers).toBe(0);
  });
});

describe('a response that the provider keeps', () => {
  const kept = { type: 'resumable' as const, state: { id: 'resp_1', cursor: 0 } };

  it('is asked for under one name on every attempt of the task, and under another by a retry', async () => {
    const down = new ModelError('unavailable', 'x');
    const first = start([[down], says('A')]);
    await first.clock.advance(5_000);
    const second = start([says('A')], { input: { attempt: 2 } });
    await second.outcome();
    const names = (requests: { idempotencyKey?: string }[]) => requests.map(({ idempotencyKey }) => idempotencyKey);
    expect(names(first.models.requests)).toEqual([
      'message_0000000000000000000000000000000a:0',
      'message_0000000000000000000000000000000a:1',
    ]);
    expect(names(second.models.requests)).toEqual(['message_0000000000000000000000000000000a:0']);
  });

  it('is left running when its stream stalls, and taken up again', async () => {
    const reasons: unknown[] = [];
    const clock = createManualClock();
    const script = createFakeModel(clock, [[kept, 'hang'], says('All')]);
    const models: ModelRegistry = {
      open: (endpoint) => ({
        stream(request, signal) {
          signal.addEventListener('abort', () => reasons.push(signal.reason));
          return script.open(endpoint).stream(request, signal);
        },
      }),
    };
    const { outcome } = start([], { deps: { models, clock } });
    await clock.advance(130_000);
    expect(await outcome()).toMatchObject({ text: 'All', retry: { attempts: 1 } });
    expect(reasons[0]).toBeInstanceOf(ModelDetached);
    expect(script.requests[1]?.resume).toEqual({ id: 'resp_1', cursor: 0 });
  });

  it('is stored before anything more is read', async () => {
    const { outcome, sink, clock } = start([[kept, ...says('Text')]], { holdCheckpoints: true });
    await clock.advance(200_000);
    expect(sink.log).toEqual([{ checkpoint: { resume: { id: 'resp_1', cursor: 0 } } }]);
    sink.confirmCheckpoints();
    expect(await outcome()).toMatchObject({ success: true, text: 'Text' });
  });

  it('is taken up again by a later attempt', async () => {
    const { outcome, models } = start([says('Rest')], { checkpoint: { resume: { id: 'resp_1' } } });
    await outcome();
    expect(models.requests[0]?.resume).toEqual({ id: 'resp_1' });
  });

  it('is asked for again by a retry of the same attempt', async () => {
    const { outcome, models, clock } = start([[kept, new ModelError('cut', 'lost')], says('All')]);
    await clock.advance(5_000);
    expect(await outcome()).toMatchObject({ text: 'All', retry: { attempts: 1 } });
    expect(models.requests.map(({ resume }) => resume)).toEqual([undefined, { id: 'resp_1', cursor: 0 }]);
  });

  it('cut in the middle of its text leaves the rest to the next attempt of the task', async () => {
    const { result, clock } = start([[kept, { type: 'text', delta: 'Half' }, { waitMs: 20 }, new ModelError('cut', 'lost')]]);
    await clock.advance(100);
    expect(await result).toEqual({ kind: 'failure', code: 'model_stream_cut', message: 're-attaching after: cut', retryable: true });
  });

  it('that is gone is asked for anew', async () => {
    const { outcome, models } = start([[new ModelError('invalid_request', 'no such response')], says('Anew')], {
      checkpoint: { resume: { id: 'old' } },
    });
    expect(await outcome()).toMatchObject({ success: true, text: 'Anew' });
    expect(models.requests.map(({ resume }) => resume)).toEqual([{ id: 'old' }, undefined]);
  });
});

describe('a broken history', () => {
  it('is repaired, and the repair reported before the message', async () => {
    const { outcome, models } = start([says('OK')], {
      input: { messages: [userMessage('x'), agentMessage('', [{ id: 'c1', name: 'echo' }]), userMessage('y')] },
    });
    expect(types(await outcome())).toEqual(['transcript.repaired', 'output.message.started']);
    expect(models.requests[0]?.messages[2]).toMatchObject({ role: 'tool' });
  });
});
