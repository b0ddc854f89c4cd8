import fc from 'fast-check';
import { agentMessage, toolErrorResult, userMessage } from '@everruns/testing/step-fixtures';
import { describe, expect, it } from 'vitest';
import { coerceArguments } from './coerce.ts';
import { salvageObject } from './salvage.ts';
import { toolCallRepair } from './tool-call-repair.ts';

describe('salvageObject', () => {
  it.each<[string, string, unknown]>([
    ['a code fence', '```json\n{"a": 1}\n```', { a: 1 }],
    ['prose around', 'Sure, here it is: {"a": [1, 2]} Let me know!', { a: [1, 2] }],
    ['trailing commas', '{"a": [1, 2,], "b": {"c": null,},}', { a: [1, 2], b: { c: null } }],
    ['single quotes', "{'a': 'it\\'s'}", { a: "it's" }],
    ['curly quotes', '{\u201ca\u201d: \u201cb\u201d}', { a: 'b' }],
    ['bare keys', '{path: "/a", line_no: 3}', { path: '/a', line_no: 3 }],
    ["Python's words", '{"a": True, "b": None, "c": False}', { a: true, b: null, c: false }],
    ['raw line breaks', '{"text": "one\ntwo"}', { text: 'one\ntwo' }],
    ['an object serialised twice', '"{\\"a\\": \\"x\\"}"', { a: 'x' }],
    ['escapes', '{"a": "\\u0041\\n\\t"}', { a: 'A\n\t' }],
    ['numbers', '{"a": -1.5e3, "b": 0}', { a: -1500, b: 0 }],
  ])('reads an object with %s', (_, text, object) => {
    expect(salvageObject(text)).toEqual(object);
  });

  it.each([
    ['nothing like it', 'I do not know.'],
    ['one that was cut off', '{"path": "/a", "text": "half'],
    ['one that was cut off between members', '{"path": "/a", '],
    ['a list', '[1, 2]'],
    ['words that are not JSON', '{"a": undefined}'],
    ['too deep a nesting', `${'{"a":'.repeat(100)}1${'}'.repeat(100)}`],
    ['too long a text', `{"a": "${'x'.repeat(256 * 1024)}"}`],
  ])('makes nothing up from %s', (_, text) => {
    expect(salvageObject(text)).toBeNull();
  });

  it('leaves every object alone that is JSON', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 4 })), (object) => {
        const text = JSON.stringify(object);
        expect(JSON.stringify(salvageObject(text))).toBe(JSON.stringify(JSON.parse(text)));
      }),
    );
  });

  it('takes time in proportion to the text', () => {
    const startedMs = performance.now();
    for (const char of ['{', '[', '"', '\\', "{'a':", '```']) salvageObject(`{"a": ${char.repeat(200_000 / char.length)}`);
    expect(performance.now() - startedMs).toBeLessThan(1_000);
  });
});

const SCHEMA = {
  type: 'object',
  additionalProperties: false,
  properties: {
    count: { type: 'integer' },
    deep: { type: 'object', properties: { on: { type: 'boolean' } } },
    name: { type: 'string' },
    tags: { type: 'array', items: { type: 'string' } },
  },
  required: ['count'],
};

describe('coerceArguments', () => {
  it('turns values into the only thing that they can mean', () => {
    const args = { count: ' 5 ', name: 7, tags: '["a", 1]', deep: '{"on": "TRUE"}' };
    expect(coerceArguments(SCHEMA, args)).toEqual({ count: 5, name: '7', tags: ['a', '1'], deep: { on: true } });
    expect(coerceArguments(SCHEMA, { count: 1, tags: 'a' })).toEqual({ count: 1, tags: ['a'] });
  });

  it.each([{ count: 'five' }, { count: '1.5' }, {}, { count: 1, more: 2 }, { count: 1, tags: { a: 1 } }])(
    'leaves %j to the tool',
    (args) => {
      expect(coerceArguments(SCHEMA, args as never)).toBeNull();
    },
  );
});

const tool = { name: 'count', description: 'Counts', parameters: SCHEMA };
const PROBLEM = 'The arguments are not valid JSON (x). Received: y. Send the call again.';

async function rewrite(
  call: { written: string; problem?: string; arguments?: object },
  options: { config?: object; earlier?: number } = {},
) {
  const { hooks } = await toolCallRepair.resolve((options.config ?? {}) as never, { session_id: 's', org_id: 'o' });
  const failed = Array.from({ length: options.earlier ?? 0 }, (_, n) => [
    agentMessage('', [{ id: `c${n}`, name: 'count' }]),
    toolErrorResult(`c${n}`, PROBLEM),
  ]).flat();
  const history = [
    userMessage('Before'),
    agentMessage('', [{ id: 'z', name: 'count' }]),
    toolErrorResult('z', PROBLEM),
    userMessage('Go'),
    ...failed,
  ];
  const view = { history, tools: [tool], clientTools: new Set<string>(), systemPrompt: '', session_id: 's', turn_id: 'turn_1' };
  return hooks?.rewriteCall?.({ id: 'c', name: 'count', tool, arguments: {}, events: [], ...call } as never, view);
}

const outcome = (name: string) => [
  { type: 'tool.call_repaired', data: { turn_id: 'turn_1', tool_call_id: 'c', tool_name: 'count', outcome: name } },
];

describe('tool_call_repair', () => {
  it('mends what can be read', async () => {
    const mended = await rewrite({ written: "{'count': '5',}", problem: PROBLEM });
    expect(mended).toMatchObject({ arguments: { count: 5 }, events: outcome('local-salvage') });
    expect(mended).not.toHaveProperty('problem');
  });

  it('mends types, and says nothing of a call that is right', async () => {
    expect(await rewrite({ written: '', arguments: { count: '5' } })).toMatchObject({
      arguments: { count: 5 },
      events: outcome('local-salvage'),
    });
    expect((await rewrite({ written: '', arguments: { count: 5 } }))?.events).toEqual([]);
    expect((await rewrite({ written: '', arguments: { count: 'many' } }))?.events).toEqual([]);
  });

  it('asks again as often in a turn as it is told to, then gives up', async () => {
    expect(await rewrite({ written: '?', problem: PROBLEM })).toMatchObject({ problem: PROBLEM, events: outcome('re-prompt') });
    const second = await rewrite({ written: '?', problem: PROBLEM }, { earlier: 1 });
    expect(second).toMatchObject({ problem: expect.stringContaining('Do not send this call again') as string, events: outcome('gave-up') });
    expect(await rewrite({ written: '?', problem: PROBLEM }, { earlier: 1, config: { max_reprompts: 2 } })).toMatchObject({
      problem: PROBLEM,
    });
    expect(await rewrite({ written: '?', problem: PROBLEM }, { config: { max_reprompts: 0 } })).toMatchObject({
      events: outcome('gave-up'),
    });
  });

  it('refuses a configuration out of bounds', () => {
    expect(toolCallRepair.checkConfig?.({ max_reprompts: 6 })).toMatch(/"max_reprompts" must be a whole number from 0 to 5/);
    expect(toolCallRepair.checkConfig?.({ reprompts: 1 })).toMatch(/"reprompts" is not known/);
    expect(toolCallRepair.checkConfig?.({ max_reprompts: 5 })).toBeNull();
  });
});
