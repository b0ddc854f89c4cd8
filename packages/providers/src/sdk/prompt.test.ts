import { describe, expect, it } from 'vitest';
import { type AssistantPart, ModelError, type ModelMessage } from '@everruns/agent/model';
import { anthropicProfile } from '../anthropic/profile.ts';
import { googleProfile } from '../google/profile.ts';
import { compatibleProfile, officialProfile } from '../openai-completions/profile.ts';
import { openaiProfile } from '../openai/profile.ts';
import { requestOf, toolAnswers, userSays } from '../testing/collect.ts';
import { toPrompt } from './prompt.ts';
import type { WireProfile } from './wire-profile.ts';

const answer = (providerType: string | undefined, ...content: AssistantPart[]): ModelMessage => ({
  role: 'assistant',
  content,
  ...(providerType === undefined ? {} : { providerType }),
});
const CALL: AssistantPart = { type: 'tool_call', id: 'call_1', name: 'f', arguments: { x: 1 } };

function promptOf(profile: WireProfile, ...messages: ModelMessage[]) {
  return toPrompt(requestOf(messages), profile);
}

function assistantContent(profile: WireProfile, message: ModelMessage, ...after: ModelMessage[]) {
  const prompt = promptOf(profile, userSays('hi'), message, ...(after.length > 0 ? after : [toolAnswers('call_1', 'f', 1)]));
  return prompt.find(({ role }) => role === 'assistant')?.content;
}

describe('messages', () => {
  it('begin with the system prompt', () => {
    expect(toPrompt(requestOf([userSays('hi')], { system: 'Be kind.' }), openaiProfile)).toEqual([
      { role: 'system', content: 'Be kind.' },
      { role: 'user', content: [{ type: 'text', text: 'hi' }] },
    ]);
  });

  it('without anything to say are left out', () => {
    const prompt = promptOf(openaiProfile, userSays('hi'), answer('openai', { type: 'text', text: '' }), userSays(''), userSays('again'));
    expect(prompt.map(({ role }) => role)).toEqual(['user', 'user']);
  });

  it('carry images by address, as data, and as a data address', () => {
    const [message] = promptOf(openaiProfile, {
      role: 'user',
      content: [
        { type: 'image', url: 'https://example.com/a/cat.PNG?size=2' },
        { type: 'image', url: 'data:image/webp;base64,AAAA' },
        { type: 'image', base64: 'BBBB', mediaType: 'image/gif' },
        { type: 'image', url: 'not an address' },
      ],
    });
    expect(message?.content).toEqual([
      { type: 'file', data: { type: 'url', url: new URL('https://example.com/a/cat.PNG?size=2') }, mediaType: 'image/png' },
      { type: 'file', data: { type: 'data', data: 'AAAA' }, mediaType: 'image/webp' },
      { type: 'file', data: { type: 'data', data: 'BBBB' }, mediaType: 'image/gif' },
    ]);
  });
});

describe('tool calls and results', () => {
  it('merge the results of one step into one message', () => {
    const prompt = promptOf(
      googleProfile,
      userSays('hi'),
      answer('google', CALL, { ...CALL, id: 'call_2' }),
      toolAnswers('call_1', 'f', 1),
      toolAnswers('call_2', 'f', 2),
    );
    expect(prompt.map(({ role }) => role)).toEqual(['user', 'assistant', 'tool']);
    expect(prompt[2]?.content).toMatchObject([{ toolCallId: 'call_1' }, { toolCallId: 'call_2' }]);
  });

  it('tell text as text, data as JSON, and errors as errors', () => {
    const prompt = promptOf(openaiProfile, userSays('hi'), {
      role: 'tool',
      content: [
        { toolCallId: 'a', toolName: 'f', output: { type: 'json', value: 'plain' } },
        { toolCallId: 'b', toolName: 'f', output: { type: 'json', value: { n: 1 } } },
        { toolCallId: 'c', toolName: 'f', output: { type: 'error', text: 'It broke.' } },
      ],
    });
    expect(prompt[1]?.content).toMatchObject([
      { output: { type: 'text', value: 'plain' } },
      { output: { type: 'json', value: { n: 1 } } },
      { output: { type: 'error-text', value: 'It broke.' } },
    ]);
  });

  it('keep arguments that were no object readable', () => {
    const content = assistantContent(openaiProfile, answer('openai', { ...CALL, arguments: '{"broken' }));
    expect(content).toMatchObject([{ input: { invalid_arguments: '{"broken' } }]);
  });

  it('get ids that Anthropic accepts, calls and results alike', () => {
    const prompt = promptOf(
      anthropicProfile,
      userSays('hi'),
      answer('openai', { ...CALL, id: 'functions.f:0' }),
      toolAnswers('functions.f:0', 'f', 1),
    );
    expect([prompt[1]?.content, prompt[2]?.content]).toMatchObject([[{ toolCallId: 'functions_f_0' }], [{ toolCallId: 'functions_f_0' }]]);
  });
});

describe('reasoning', () => {
  const thought: AssistantPart = { type: 'reasoning', text: 'Hm.', replay: { signature: 'SIG' } };
  const sealed = (itemId: string, content?: string): AssistantPart => ({
    type: 'reasoning',
    text: 'Hm.',
    replay: { itemId, ...(content === undefined ? {} : { reasoningEncryptedContent: content }) },
  });

  it.each<[string, WireProfile, string, AssistantPart, unknown]>([
    ['anthropic, signed', anthropicProfile, 'anthropic', thought, { anthropic: { signature: 'SIG' } }],
    [
      'anthropic, redacted',
      anthropicProfile,
      'anthropic',
      { ...thought, replay: { redactedData: 'BLOB' } },
      { anthropic: { redactedData: 'BLOB' } },
    ],
    [
      'gemini by its alias',
      googleProfile,
      'gemini',
      { ...thought, replay: { thoughtSignature: 'S' } },
      { google: { thoughtSignature: 'S' } },
    ],
    ['openai', openaiProfile, 'openai', sealed('rs_1', 'SEAL'), { openai: { itemId: 'rs_1', reasoningEncryptedContent: 'SEAL' } }],
  ])('goes back with its state: %s', (...[, profile, providerType, part, providerOptions]) => {
    expect(assistantContent(profile, answer(providerType, part, CALL))).toMatchObject([
      { type: 'reasoning', text: 'Hm.', providerOptions },
      { type: 'tool-call' },
    ]);
  });

  it.each<[string, WireProfile, string | undefined]>([
    ['of another provider type', anthropicProfile, 'openai'],
    ['of an unknown origin', anthropicProfile, undefined],
    ['without state', anthropicProfile, 'anthropic'],
    ['on a wire that takes none', officialProfile, 'openai_completions'],
  ])('stays out: %s', (name, profile, providerType) => {
    const { replay: _dropped, ...plain } = thought;
    const content = assistantContent(profile, answer(providerType, name === 'without state' ? plain : thought, CALL));
    expect(content).toEqual([{ type: 'tool-call', toolCallId: 'call_1', toolName: 'f', input: { x: 1 } }]);
  });

  it('of an OpenAI item goes back whole, or not at all when nothing of it is encrypted', () => {
    const content = assistantContent(openaiProfile, answer('openai', sealed('rs_1'), sealed('rs_1', 'SEAL'), sealed('rs_2'), CALL));
    expect(content).toMatchObject([
      { providerOptions: { openai: { itemId: 'rs_1' } } },
      { providerOptions: { openai: { itemId: 'rs_1', reasoningEncryptedContent: 'SEAL' } } },
      { type: 'tool-call' },
    ]);
  });

  it('goes back as text within its turn only, on a compatible server', () => {
    const message = answer('openai_compatible', { type: 'reasoning', text: 'Hm.' }, CALL);
    expect(assistantContent(compatibleProfile, message)).toMatchObject([{ type: 'reasoning', text: 'Hm.' }, { type: 'tool-call' }]);
    expect(assistantContent(compatibleProfile, message, toolAnswers('call_1', 'f', 1), userSays('next'))).toMatchObject([
      { type: 'tool-call' },
    ]);
  });

  it('keeps a text without words that carries a signature', () => {
    const content = assistantContent(googleProfile, answer('google', CALL, { type: 'text', text: '', replay: { thoughtSignature: 'S' } }));
    expect(content).toMatchObject([
      { type: 'tool-call' },
      { type: 'text', text: '', providerOptions: { google: { thoughtSignature: 'S' } } },
    ]);
  });
});

describe('Anthropic', () => {
  it('refuses a request that ends with an answer', () => {
    expect(() => promptOf(anthropicProfile, userSays('hi'), answer('anthropic', { type: 'text', text: 'Hello' }))).toThrow(ModelError);
  });

  it('marks the system prompt and the two newest inputs for caching', () => {
    const messages = [
      userSays('one'),
      answer('anthropic', CALL),
      toolAnswers('call_1', 'f', 1),
      answer('anthropic', { type: 'text', text: 'ok' }),
      userSays('two'),
    ];
    const prompt = toPrompt(requestOf(messages, { system: 'Be kind.' }), anthropicProfile);
    const marked = prompt.filter((message) => message.providerOptions !== undefined).map(({ role }) => role);
    expect(marked).toEqual(['system', 'tool', 'user']);
  });
});
