import { describe, expect, it } from 'vitest';
import { storedMessage, toolErrorResult, toolResult, userMessage } from '@everruns/testing/step-fixtures';
import type { Capability, JsonObject } from '@everruns/agent/capability';
import { currentTime } from './current-time/current-time.ts';
import { errorDisclosure } from './error-disclosure/error-disclosure.ts';
import { humanIntent } from './human-intent/human-intent.ts';
import { messageMetadata } from './message-metadata/message-metadata.ts';
import { headAndTail, outputTruncation } from './output-truncation/output-truncation.ts';
import { parallelToolCalls } from './request-settings/parallel-tool-calls.ts';
import { promptCaching } from './request-settings/prompt-caching.ts';

const resolve = async (capability: Capability, config: JsonObject = {}) => capability.resolve(config, { session_id: 's', org_id: 'o' });
const view = { history: [], tools: [], clientTools: new Set<string>(), systemPrompt: '', session_id: 's', turn_id: 't' };
const tool = {
  name: 'send',
  description: 'Sends',
  parameters: { type: 'object', additionalProperties: false, properties: { to: { type: 'string' } } },
};
const own = { name: 'say', description: 'Says', parameters: { type: 'object', properties: { human_intent: { type: 'string' } } } };

describe('human_intent', () => {
  it('adds its argument to every tool that has none of that name', async () => {
    const { hooks } = await resolve(humanIntent);
    const defined = hooks?.defineTools?.([tool, own], view) ?? [];
    expect(defined[0]?.parameters).toMatchObject({ additionalProperties: false, properties: { to: {}, human_intent: { type: 'string' } } });
    expect(defined[1]).toBe(own);
  });

  it.each<[unknown, string | undefined]>([
    ['Sending\n the  mail', 'Sending the mail'],
    ['x'.repeat(200), `${'x'.repeat(117)}...`],
    ['', undefined],
    [7, undefined],
  ])('takes %j out of the arguments and tells people %j', async (intent, narration) => {
    const { hooks } = await resolve(humanIntent);
    const call = { id: 'c', name: 'send', tool, written: '', arguments: { to: 'Ada', human_intent: intent as string }, events: [] };
    const rewritten = hooks?.rewriteCall?.(call, view);
    expect(rewritten?.arguments).toEqual({ to: 'Ada' });
    expect(rewritten?.narration).toBe(narration);
    expect(hooks?.rewriteCall?.({ ...call, tool: own }, view)).toMatchObject({ arguments: { human_intent: intent } });
  });
});

describe('message_metadata', () => {
  it('puts the time of a message before its first text, as stored', async () => {
    const { hooks } = await resolve(messageMetadata);
    const at = { created_at: '2026-01-02T03:04:05.678Z' };
    const seen = hooks?.viewMessages?.(
      [
        userMessage('Hello', at),
        storedMessage('user', [{ type: 'image', url: 'x' }], at),
        storedMessage('agent', [{ type: 'text', text: 'Hi' }], at),
      ],
      view,
    );
    expect(seen?.map(({ content }) => content[0])).toEqual([
      { type: 'text', text: '[2026-01-02T03:04:05Z] Hello' },
      { type: 'text', text: '[2026-01-02T03:04:05Z]' },
      { type: 'text', text: 'Hi' },
    ]);
  });

  it('is silent without fields, and refuses unknown ones', async () => {
    expect(await resolve(messageMetadata, { fields: [] })).toEqual({ tools: [] });
    expect(messageMetadata.checkConfig?.({ fields: ['mood'] })).toMatch(/"fields\[0\]" must be one of "timestamp"/);
    expect(messageMetadata.checkConfig?.({ fields: ['timestamp'] })).toBeNull();
  });
});

describe('settings of model calls', () => {
  it.each<[string | undefined, object]>([
    [undefined, { parallel_tool_calls: true }],
    ['prefer', { parallel_tool_calls: true }],
    ['avoid', { parallel_tool_calls: false }],
    ['none', {}],
  ])('parallel_tool_calls %s asks for %j', async (mode, request) => {
    expect((await resolve(parallelToolCalls, mode === undefined ? {} : { mode })).request).toEqual(request);
  });

  it('prompt_caching asks for its strategy', async () => {
    expect((await resolve(promptCaching)).request).toEqual({ prompt_cache: { strategy: 'auto' } });
    const config = { strategy: 'explicit', gemini_cached_content: 'cachedContents/abc' };
    expect((await resolve(promptCaching, config)).request).toEqual({
      prompt_cache: { strategy: 'explicit', geminiCachedContent: 'cachedContents/abc' },
    });
  });

  it('error_disclosure says how much is told', async () => {
    expect((await resolve(errorDisclosure, { mode: 'detailed' })).error_disclosure).toBe('detailed');
    expect((await resolve(errorDisclosure)).error_disclosure).toBe('standard');
  });

  it.each<[Capability, JsonObject, RegExp]>([
    [parallelToolCalls, { mode: 'maybe' }, /"mode" must be one of/],
    [promptCaching, { strategy: 'always' }, /"strategy" must be one of/],
    [promptCaching, { gemini_cached_content: '../x' }, /"gemini_cached_content" must be a name/],
    [errorDisclosure, { mode: 'all' }, /"mode" must be one of/],
    [outputTruncation, { max_bytes: 10 }, /from 512 to 65536/],
  ])('are refused when they make no sense', (capability, config, text) => {
    expect(capability.checkConfig?.(config)).toMatch(text);
  });
});

describe('output_truncation', () => {
  it('shows the beginning and the end of what is long, and leaves the rest alone', async () => {
    const { hooks } = await resolve(outputTruncation, { max_bytes: 512 });
    const long = `begin ${'x'.repeat(5_000)} end`;
    const short = toolResult('a', { ok: true });
    const seen =
      hooks?.viewMessages?.(
        [short, toolResult('b', long), toolResult('c', { text: long }), toolErrorResult('d', long), userMessage(long)],
        view,
      ) ?? [];
    expect(seen[0]).toEqual(short);
    const shown = seen.slice(1, 4).map(({ content: [part] }) => (part?.type === 'tool_result' ? (part.error ?? part.result) : ''));
    for (const text of shown) {
      expect(text).toMatch(/^(\{"text":")?begin x+\n\[\d+ of \d+ bytes are left out here\. .*\]\nx+ end("\})?$/);
      expect(Buffer.byteLength(text as string)).toBeLessThanOrEqual(512);
    }
    expect(seen[4]?.content).toEqual([{ type: 'text', text: long }]);
  });

  it('never splits a character', () => {
    for (let bytes = 200; bytes < 230; bytes++) expect(headAndTail('äöü€😀'.repeat(100), bytes)).not.toContain('\ufffd');
  });
});

describe('current_time', () => {
  it('tells the time of each message, in the zone that it names', async () => {
    const { facts } = await resolve(currentTime);
    const [fact] = facts ?? [];
    const at = new Date('2026-01-02T03:04:05.678Z');
    const told = (extra = {}) => (fact !== undefined && 'valueAt' in fact ? fact.valueAt(at, userMessage('x', extra)) : null);
    expect(fact?.key).toBe('current_time');
    expect(told()).toBe('2026-01-02T03:04:05Z');
    expect(told({ metadata: { timezone: 'Europe/Berlin' } })).toBe('2026-01-02T04:04:05+01:00 (Europe/Berlin)');
    expect(told({ metadata: { timezone: 'Mars/Olympus' } })).toBe('2026-01-02T03:04:05Z');
  });
});
