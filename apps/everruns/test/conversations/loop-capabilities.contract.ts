import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compose, type Composition } from './composition.ts';
import { payload, type Conversation, type Match } from './conversation.ts';
import { received, toolsOf } from './received.ts';
import { withSetting, type Setting } from './setting.ts';
import { WIRES, type Wire } from './wires.ts';

/** Capabilities that act on the loop, each through whole turns: what the model is sent, what runs, what the log says. */

const WIRE = WIRES.find(({ protocol }) => protocol === 'anthropic') as Wire;

let composition: Composition;
beforeAll(async () => {
  composition = await compose();
});
afterAll(() => composition.close());

interface Scene {
  chat: Conversation;
  setting: Setting;
  /** What the model was sent with its nth call. */
  sent: (n: number) => string[];
}

async function within(capabilities: Match[], work: (scene: Scene) => Promise<void>, session: Match = {}): Promise<void> {
  await withSetting(composition, WIRE, async (setting) => {
    const chat = await setting.converse({ capabilities: [{ ref: 'test_tools' }, ...capabilities], ...session });
    await work({ chat, setting, sent: (n) => received(setting.simulator.requests[n]) });
    await chat.close();
  });
}

const nap = (ms: unknown = 1, more: Match = {}) => ({ name: 'test_sleep', arguments: { ms, ...more } as never });
const said = { text: 'Done.' };

async function refused(ref: string, config: Match): Promise<string> {
  const { body: before } = await composition.api.call('GET', '/v1/sessions?limit=1');
  const { status, body } = await composition.api.call('POST', '/v1/sessions', { harness_name: 'base', capabilities: [{ ref, config }] });
  expect(status).toBe(400);
  expect((await composition.api.call('GET', '/v1/sessions?limit=1')).body['total']).toBe(before['total']);
  return JSON.stringify(body);
}

describe('human_intent', () => {
  it('asks for an argument, tells it to people, and keeps it from the tool', () =>
    within([{ ref: 'human_intent' }], async ({ chat, setting, sent }) => {
      setting.simulator.script({ toolCalls: [nap(1, { human_intent: 'Taking a short nap' })] }, said);
      const turn = await chat.say('Go.');
      expect(JSON.stringify(setting.simulator.requests[0]?.body['tools'])).toContain('"human_intent":{"type":"string"');
      expect(payload(turn, 'tool.started')).toMatchObject({ narration: 'Taking a short nap', tool_call: { arguments: { ms: 1 } } });
      expect(payload(turn, 'tool.completed')).toMatchObject({
        success: true,
        narration: 'Taking a short nap',
        executed_arguments: { ms: 1 },
      });
      expect(payload(turn, 'output.message.completed')).toMatchObject({
        message: { content: [{ type: 'tool_call', arguments: { ms: 1, human_intent: 'Taking a short nap' } }] },
      });
      expect(sent(1)).toContain('call test_sleep {"ms":1,"human_intent":"Taking a short nap"}');
    }));

  it('changes nothing about a call that is wrong', () =>
    within([{ ref: 'human_intent' }], async ({ chat, setting }) => {
      setting.simulator.script({ toolCalls: [nap('long', { human_intent: 7 })] }, said);
      const turn = await chat.say('Go.');
      expect(payload(turn, 'tool.completed')).toMatchObject({
        success: false,
        error: expect.stringContaining('"ms" must be number') as string,
      });
      expect(payload(turn, 'tool.completed')).not.toHaveProperty('narration');
    }));
});

describe('the time', () => {
  it('of each message is told by message_metadata and by current_time, and again byte for byte in later prompts', () =>
    within([{ ref: 'message_metadata' }, { ref: 'current_time' }], async ({ chat, setting, sent }) => {
      setting.simulator.script({ text: 'Hello.' }, { text: 'Still here.' });
      const first = await chat.say('One');
      await chat.say('Two', { metadata: { timezone: 'Asia/Tokyo' } });
      const at = String((payload(first, 'input.message')['message'] as Match)['created_at']).replace(/\.\d+Z$/, 'Z');
      const told = [`user: [${at}] One`, `user: <facts>\ncurrent_time: ${at}\n</facts>`];
      expect(sent(0)).toEqual(told);
      expect(sent(1).slice(0, 3)).toEqual([...told, 'assistant: Hello.']);
      expect(sent(1).slice(3)).toEqual([
        expect.stringMatching(/^user: \[.*Z\] Two$/),
        expect.stringMatching(/^user: <facts>\ncurrent_time: .*\+09:00 \(Asia\/Tokyo\)\n<\/facts>$/),
      ]);
      expect((await chat.messages()).map((message) => JSON.stringify(message['content']))).not.toContainEqual(
        expect.stringMatching(/facts|\[2/),
      );
    }));

  it('is not told where nobody asks for it, and unknown fields are refused', async () => {
    await within([{ ref: 'message_metadata', config: { fields: [] } }], async ({ chat, setting, sent }) => {
      setting.simulator.script({ text: 'Hello.' });
      await chat.say('One');
      expect(sent(0)).toEqual(['user: One']);
    });
    expect(await refused('message_metadata', { fields: ['mood'] })).toContain('fields');
  });
});

describe('settings of model calls', () => {
  it.each([
    ['prefer', false],
    ['avoid', true],
  ])('parallel_tool_calls %s reaches the provider', (mode, isDisabled) =>
    within([{ ref: 'parallel_tool_calls', config: { mode } }], async ({ chat, setting }) => {
      setting.simulator.script({ toolCalls: [nap(30), nap(1)] }, said);
      const turn = await chat.say('Go.');
      const choice = setting.simulator.requests[0]?.body['tool_choice'] as Match;
      expect(choice['disable_parallel_tool_use'] ?? false).toBe(isDisabled);
      // One at a time: the second starts when the first has ended.
      const marks = turn.filter(({ type }) => /^tool\.(started|completed)$/.test(type)).map(({ type }) => type);
      if (isDisabled) expect(marks).toEqual(['tool.started', 'tool.completed', 'tool.started', 'tool.completed']);
    }),
  );

  it('parallel_tool_calls none and a field of the session leave the capability nothing to say', async () => {
    await within([{ ref: 'parallel_tool_calls', config: { mode: 'none' } }], async ({ chat, setting }) => {
      setting.simulator.script(said);
      await chat.say('Go.');
      expect(setting.simulator.requests[0]?.body['tool_choice']).not.toHaveProperty('disable_parallel_tool_use');
    });
    const config = { mode: 'prefer' };
    await within(
      [{ ref: 'parallel_tool_calls', config }],
      async ({ chat, setting }) => {
        setting.simulator.script(said);
        await chat.say('Go.');
        expect(setting.simulator.requests[0]?.body['tool_choice']).toMatchObject({ disable_parallel_tool_use: true });
      },
      { parallel_tool_calls: false },
    );
    expect(await refused('parallel_tool_calls', { mode: 'often' })).toContain('mode');
  });

  it('prompt_caching is in the record of the call', async () => {
    await within([{ ref: 'prompt_caching', config: { strategy: 'explicit' } }], async ({ chat, setting }) => {
      setting.simulator.script(said);
      const turn = await chat.say('Go.');
      expect(payload(turn, 'llm.generation')).toMatchObject({
        metadata: { request_options: { prompt_cache: { enabled: true, strategy: 'explicit' } } },
      });
      expect(JSON.stringify(setting.simulator.requests[0]?.body)).toContain('"cache_control":{"type":"ephemeral"}');
    });
    expect(await refused('prompt_caching', { strategy: 'sometimes' })).toContain('strategy');
    expect(await refused('prompt_caching', { gemini_cached_content: 'x' })).toContain('gemini_cached_content');
  });

  it.each([
    ['detailed', true],
    ['standard', false],
    ['generic', false],
  ])('error_disclosure %s', (mode, tellsAll) =>
    within([{ ref: 'error_disclosure', config: { mode } }], async ({ chat, setting }) => {
      setting.simulator.answer(() => ({ error: { status: 400, message: 'the flux is unstable' } }));
      const turn = await chat.say('Go.');
      expect(JSON.stringify(turn).includes('the flux is unstable')).toBe(tellsAll);
      expect(payload(turn, 'turn.failed')).toMatchObject({ error_disclosure: mode });
    }),
  );

  it('error_disclosure of an unknown mode is refused', async () => {
    expect(await refused('error_disclosure', { mode: 'all' })).toContain('mode');
  });
});

describe('tool_call_repair', () => {
  it('mends a call, and says so', () =>
    within([{ ref: 'tool_call_repair' }], async ({ chat, setting }) => {
      setting.simulator.script({ toolCalls: [{ name: 'test_sleep', rawArguments: "```json\n{'ms': '1',}\n```" }] }, said);
      const turn = await chat.say('Go.');
      expect(payload(turn, 'tool.call_repaired')).toMatchObject({ tool_name: 'test_sleep', outcome: 'local-salvage' });
      expect(payload(turn, 'tool.call_repaired')).toHaveProperty('turn_id');
      expect(payload(turn, 'tool.completed')).toMatchObject({ success: true });
    }));

  it('asks again as often as it is told to, then gives up; the turn goes on', () =>
    within([{ ref: 'tool_call_repair', config: { max_reprompts: 1 } }], async ({ chat, setting, sent }) => {
      const broken = { toolCalls: [{ name: 'test_sleep', rawArguments: '{"ms": ' }] };
      setting.simulator.script(broken, broken, said);
      const turn = await chat.say('Go.');
      const outcomes = turn.filter(({ type }) => type === 'tool.call_repaired').map(({ data }) => data['outcome']);
      expect(outcomes).toEqual(['re-prompt', 'gave-up']);
      expect(sent(1).at(-1)).toMatch(/^result .*Send the call again/);
      expect(sent(2).at(-1)).toMatch(/^result .*Do not send this call again/);
      expect(payload(turn, 'turn.completed')).toMatchObject({ final_answer_preview: 'Done.' });
    }));

  it('refuses a number out of bounds', async () => {
    expect(await refused('tool_call_repair', { max_reprompts: 6 })).toContain('max_reprompts');
  });
});

describe('standing still', () => {
  it('is remarked upon by loop_detection, and nothing is blocked', () =>
    within([{ ref: 'loop_detection', config: { threshold: 2 } }], async ({ chat, setting, sent }) => {
      setting.simulator.script({ toolCalls: [nap()] }, { toolCalls: [nap()] }, { toolCalls: [nap(2)] }, said);
      const turn = await chat.say('Go.');
      expect(sent(1).join()).not.toContain('system-notice');
      expect(sent(2).at(-1)).toMatch(/^user: <system-notice>\nYou have called test_sleep .* 2 times/);
      expect(sent(3).filter((line) => line.includes('system-notice'))).toHaveLength(1);
      expect(turn.filter(({ type, data }) => type === 'tool.completed' && data['success'] === true)).toHaveLength(3);
    }));

  it('is not found where calls differ; a threshold out of bounds is refused', async () => {
    await within([{ ref: 'loop_detection', config: { threshold: 2 } }], async ({ chat, setting, sent }) => {
      setting.simulator.script({ toolCalls: [nap(1)] }, { toolCalls: [nap(2)] }, said);
      await chat.say('Go.');
      expect(sent(2).join()).not.toContain('system-notice');
    });
    expect(await refused('loop_detection', { threshold: 1 })).toContain('threshold');
  });

  it('is remarked upon by progress_guard when a turn only looks around', () =>
    within([{ ref: 'progress_guard' }], async ({ chat, setting, sent }) => {
      const looks = Array.from({ length: 19 }, (_, n) => nap(n / 100));
      setting.simulator.script({ toolCalls: looks }, { toolCalls: [nap(5)] }, said);
      await chat.say('Go.');
      expect(sent(1).join()).not.toContain('system-notice');
      expect(sent(2).at(-1)).toContain('You have made 20 calls that only look');
    }));
});

describe.each(['tool_search', 'auto_tool_search'])('%s', (ref) => {
  const parametersOf = (setting: Setting, n: number): Match => {
    const tools = setting.simulator.requests[n]?.body['tools'] as { name: string; input_schema: Match }[];
    return Object.fromEntries(tools.map(({ name, input_schema: schema }) => [name, Object.keys((schema['properties'] ?? {}) as Match)]));
  };

  it('holds parameters back until the model has asked for them, and shows them from then on', () =>
    within([{ ref, config: { threshold: 5, never_defer: ['test_big*'] } }], async ({ chat, setting, sent }) => {
      const search = { name: 'tool_search', arguments: { query: 'test_sleep', max_results: 1 } };
      setting.simulator.script({ toolCalls: [search] }, { toolCalls: [nap()] }, said, said);
      const turn = await chat.say('Go.');
      expect(parametersOf(setting, 0)).toMatchObject({
        tool_search: ['query', 'max_results'],
        test_sleep: [],
        look_up: [],
        test_big_result: ['bytes'],
      });
      expect(payload(turn, 'tool.completed')).toMatchObject({ tool_name: 'tool_search', success: true });
      expect(sent(1).at(-1)).toMatch(/^result .*"ms"/);
      expect(parametersOf(setting, 1)).toMatchObject({ test_sleep: ['ms', 'tell'], test_effect: [] });
      expect(payload(turn, 'llm.generation')).toMatchObject({
        metadata: { request_options: { tool_search: { enabled: true, threshold: 5 } } },
      });
      await chat.say('Again.');
      expect(parametersOf(setting, 3)).toMatchObject({ test_sleep: ['ms', 'tell'], test_effect: [] });
    }));

  it('says when nothing fits or the call is wrong, and shows everything below its threshold', () =>
    within([{ ref, config: { threshold: 50 } }], async ({ chat, setting, sent }) => {
      const searches = [
        { name: 'tool_search', arguments: { query: 'weather' } },
        { name: 'tool_search', arguments: { max_results: 3 } },
      ];
      setting.simulator.script({ toolCalls: searches }, said);
      await chat.say('Go.');
      expect(parametersOf(setting, 0)).toMatchObject({ test_sleep: ['ms', 'tell'] });
      const results = sent(1).slice(-2);
      expect(results[0]).toContain('No tool fits');
      expect(results[1]).toContain('"query" is missing');
    }));

  it('refuses a configuration that makes no sense', async () => {
    expect(await refused(ref, { threshold: 0 })).toContain('threshold');
    expect(await refused(ref, { never_defer: 'bash' })).toContain('never_defer');
  });
});

describe('output_truncation', () => {
  it('shows the model the two ends of a long result; the log keeps all of it', () =>
    within([{ ref: 'output_truncation', config: { max_bytes: 1_000 } }], async ({ chat, setting, sent }) => {
      setting.simulator.script({ toolCalls: [{ name: 'test_big_result', arguments: { bytes: 30_000 } }] }, said);
      const turn = await chat.say('Go.');
      expect(JSON.stringify(payload(turn, 'tool.completed')).length).toBeGreaterThan(30_000);
      expect(sent(1).at(-1)).toMatch(/^result x+\n\[\d+ of 30000 bytes are left out here\. .*\]\nx+$/);
      expect(sent(1).at(-1)?.length).toBeLessThan(1_100);
    }));

  it('leaves short ones alone, and refuses a limit out of bounds', async () => {
    await within([{ ref: 'output_truncation' }], async ({ chat, setting, sent }) => {
      setting.simulator.script({ toolCalls: [nap()] }, said);
      await chat.say('Go.');
      expect(sent(1).at(-1)).toBe('result {"slept_ms":1}');
    });
    expect(await refused('output_truncation', { max_bytes: 100 })).toContain('max_bytes');
  });
});

describe('large results', () => {
  const list = (items: number) => ({ toolCalls: [{ name: 'test_list', arguments: { items } }] });
  const large = { toolCalls: [{ name: 'test_big_result', arguments: { bytes: 100_000 } }] };
  const fileAt = async (chat: Conversation, path: unknown): Promise<string> => {
    const file = await composition.api.expect<Match>('GET', `/v1/sessions/${chat.id}/fs${String(path).replace('/workspace', '')}`);
    return String(file['content']);
  };
  const resultOf = (turn: Awaited<ReturnType<Conversation['say']>>): Match => {
    const { result } = (payload(turn, 'tool.completed')['result'] as Match[])[0] as { result: Match };
    return result;
  };

  it('are distilled by tool_output_distillation; the whole is in a file', () =>
    within([{ ref: 'tool_output_distillation' }], async ({ chat, setting, sent }) => {
      setting.simulator.script(list(1_000), said);
      const result = resultOf(await chat.say('Go.'));
      expect(result).toMatchObject({
        distilled: { total_items: 1_000, last_item: { n: 999 } },
        full_output: expect.stringMatching(/^\/workspace\/outputs\/.*\.json$/) as string,
      });
      expect(sent(1).at(-1)?.length).toBeLessThan(1_000);
      expect(JSON.parse(await fileAt(chat, result['full_output']))).toHaveLength(1_000);
    }));

  it('are kept by tool_output_persistence when the model may not see all of them', () =>
    within([{ ref: 'tool_output_persistence' }], async ({ chat, setting }) => {
      setting.simulator.script(large, said);
      const result = resultOf(await chat.say('Go.'));
      expect(result).toMatchObject({ truncated: true, total_bytes: 100_002 });
      expect(await fileAt(chat, result['full_output'])).toBe('x'.repeat(100_000));
    }));

  it('that are not large stay as they are, with both', () =>
    within([{ ref: 'tool_output_persistence' }, { ref: 'tool_output_distillation' }], async ({ chat, setting, sent }) => {
      setting.simulator.script(list(2), said);
      await chat.say('Go.');
      expect(sent(1).at(-1)).toBe('result [{"n":0,"name":"item 0"},{"n":1,"name":"item 1"}]');
    }));

  it('are cut as ever where they cannot be kept', () =>
    within([{ ref: 'tool_output_persistence' }], async ({ chat, setting, sent }) => {
      const inTheWay = { content: 'a file where the folder would be', encoding: 'text' };
      await composition.api.expect('POST', `/v1/sessions/${chat.id}/fs/outputs`, inTheWay);
      setting.simulator.script(large, said);
      await chat.say('Go.');
      expect(sent(1).at(-1)).toMatch(/Cut here: the result has 100002 bytes.*Ask for less/);
    }));
});

describe('a broken hook', () => {
  const detailed = { ref: 'error_disclosure', config: { mode: 'detailed' } };

  it.each(['defineTools', 'viewMessages', 'watchOutput', 'rewriteCall', 'judgeCall'])('%s ends the turn in words; nothing runs', (hook) =>
    within([{ ref: 'test_broken_hook', config: { hook } }, detailed], async ({ chat, setting }) => {
      setting.simulator.answer(() => ({ toolCalls: [nap()] }));
      const turn = await chat.say('Go.');
      expect(payload(turn, 'turn.failed')).toMatchObject({
        error_code: 'processing_error',
        error: `Capability "test_broken_hook" failed in its hook ${hook}: a bug in the hook`,
      });
      expect(turn.map(({ type }) => type)).not.toContain('tool.started');
      expect(setting.simulator.requests.length).toBeLessThanOrEqual(1);
      expect(await chat.session()).toMatchObject({ status: 'idle' });
    }),
  );

  it('rewriteResult fails its call: the model is told, and sees nothing of the result', () =>
    within([{ ref: 'test_broken_hook', config: { hook: 'rewriteResult' } }], async ({ chat, setting, sent }) => {
      setting.simulator.script({ toolCalls: [nap(7)] }, said);
      const turn = await chat.say('Go.');
      expect(payload(turn, 'tool.completed')).toMatchObject({ success: false, error: expect.stringContaining('internal error') as string });
      expect(sent(1).at(-1)).not.toContain('slept_ms');
      expect(payload(turn, 'turn.completed')).toMatchObject({ final_answer_preview: 'Done.' });
    }));

  it('onModelError fails the turn once, without another call', () =>
    within([{ ref: 'test_broken_hook', config: { hook: 'onModelError' } }, detailed], async ({ chat, setting }) => {
      setting.simulator.answer(() => ({ error: { status: 400, message: 'no' } }));
      const turn = await chat.say('Go.');
      expect(payload(turn, 'turn.failed')).toMatchObject({ error: expect.stringContaining('failed in its hook onModelError') as string });
      expect(setting.simulator.requests).toHaveLength(1);
    }));
});

it('tools of a request stay those of the session', () =>
  within([{ ref: 'human_intent' }, { ref: 'tool_search' }], async ({ chat, setting }) => {
    setting.simulator.script(said);
    await chat.say('Go.');
    const names = toolsOf(setting.simulator.requests[0] as never);
    expect(new Set(names).size).toBe(names.length);
    expect(names).toContain('look_up');
  }));
