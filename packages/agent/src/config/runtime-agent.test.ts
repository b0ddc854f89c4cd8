import { describe, expect, it } from 'vitest';
import type { ConfigLayer, ErrorDisclosure } from '@everruns/contract';
import { createCapabilityRegistry, toolSuccess, type Capability, type CapabilityStatus, type ToolSpec } from '../capability.ts';
import { assembleRuntimeAgent, type RuntimeAgent } from './runtime-agent.ts';

interface Shape {
  prompt?: string;
  tools?: (Pick<ToolSpec, 'name'> & Partial<ToolSpec>)[];
  dependencies?: string[];
  status?: CapabilityStatus;
  disclosure?: ErrorDisclosure;
}

function capability(id: string, shape: Shape = {}): Capability {
  const tools = (shape.tools ?? []).map((tool) => ({ description: tool.name, parameters: { type: 'object' }, ...tool }));
  return {
    info: {
      id,
      name: `The ${id}`,
      description: id,
      status: shape.status ?? 'available',
      risk_level: 'low',
      tools,
      features: [],
      dependencies: shape.dependencies ?? [],
    },
    resolve: (config) => ({
      ...(shape.prompt !== undefined && { prompt: `${shape.prompt}${typeof config.note === 'string' ? ` (${config.note})` : ''}` }),
      ...(shape.disclosure !== undefined && { error_disclosure: shape.disclosure }),
      tools: tools.map((definition) => ({ definition, execute: () => toolSuccess(null) })),
    }),
  };
}

const context = { session_id: 's', org_id: 'o' };

async function assemble(layers: ConfigLayer[], capabilities: Capability[] = []) {
  return assembleRuntimeAgent({ layers, capabilities: createCapabilityRegistry(capabilities), context });
}

async function assembled(layers: ConfigLayer[], capabilities: Capability[] = []): Promise<RuntimeAgent> {
  const result = await assemble(layers, capabilities);
  if ('problem' in result) throw new Error(result.problem.text);
  return result.agent;
}

const harness = (id: string, refs: string[] = [], prompt?: string): ConfigLayer => ({
  tier: 'harness',
  id,
  capabilities: refs.map((ref) => ({ ref })),
  ...(prompt !== undefined && { system_prompt: prompt }),
});

describe('system prompt', () => {
  const capabilities = ['one', 'two', 'three', 'four', 'five'].map((id) => capability(id, { prompt: `Use ${id}.` }));
  const layers: ConfigLayer[] = [
    harness('root', ['one', 'five'], 'Root prompt.'),
    harness('middle', ['two'], 'Middle prompt.'),
    harness('leaf', [], 'Leaf prompt.'),
    {
      tier: 'agent',
      id: 'ag',
      system_prompt: 'Agent prompt.',
      capabilities: [{ ref: 'three' }, { ref: 'one', config: { note: 'agent' } }],
    },
    { tier: 'session', id: 'se', system_prompt: 'Session prompt.', capabilities: [{ ref: 'four' }] },
  ];

  it('stands session, agent, harness leaf to root, with capabilities before prompts and an override in the section that made it', async () => {
    const agent = await assembled(layers, capabilities);
    expect(agent.systemPrompt).toBe(
      [
        '<capability id="four">\nUse four.\n</capability>',
        '<system-prompt tier="session">\nSession prompt.\n</system-prompt>',
        '<capability id="three">\nUse three.\n</capability>',
        '<capability id="one">\nUse one. (agent)\n</capability>',
        '<system-prompt tier="agent">\nAgent prompt.\n</system-prompt>',
        '<capability id="two">\nUse two.\n</capability>',
        '<capability id="five">\nUse five.\n</capability>',
        '<system-prompt tier="harness">\nLeaf prompt.\n</system-prompt>',
        '<system-prompt tier="harness">\nMiddle prompt.\n</system-prompt>',
        '<system-prompt tier="harness">\nRoot prompt.\n</system-prompt>',
      ].join('\n\n'),
    );
  });

  it('keeps its tag when it is the only section', async () => {
    expect((await assembled([harness('root', [], 'Alone.')])).systemPrompt).toBe(
      '<system-prompt tier="harness">\nAlone.\n</system-prompt>',
    );
  });

  it('is empty without any text, and a capability without text leaves no tag', async () => {
    expect((await assembled([harness('root', ['silent'])], [capability('silent')])).systemPrompt).toBe('');
  });
});

describe('capabilities', () => {
  it('come after what they depend on, in the section of the dependent', async () => {
    const agent = await assembled(
      [harness('root', ['top']), { tier: 'agent', id: 'a', system_prompt: 'x' }],
      [capability('top', { prompt: 'Top.', dependencies: ['base'] }), capability('base', { prompt: 'Base.' })],
    );
    expect(agent.systemPrompt.indexOf('Base.')).toBeLessThan(agent.systemPrompt.indexOf('Top.'));
  });

  it('that were chosen keep their own configuration as a dependency', async () => {
    const agent = await assembled(
      [harness('root', ['top']), { tier: 'agent', id: 'a', capabilities: [{ ref: 'base', config: { note: 'mine' } }] }],
      [capability('top', { dependencies: ['base'] }), capability('base', { prompt: 'Base.' })],
    );
    expect(agent.systemPrompt).toBe('<capability id="base">\nBase. (mine)\n</capability>');
  });

  it('that depend on each other are refused with the cycle', async () => {
    const result = await assemble(
      [harness('root', ['a'])],
      [capability('a', { dependencies: ['b'] }), capability('b', { dependencies: ['a'] })],
    );
    expect(result).toEqual({ problem: { code: 'dependency_cycle', text: 'Capabilities depend on each other: a -> b -> a.' } });
  });

  it.each(['coming_soon', 'retired'] as const)('that are %s contribute nothing', async (status) => {
    const agent = await assembled([harness('root', ['x'])], [capability('x', { status, prompt: 'No.', tools: [{ name: 'no' }] })]);
    expect([agent.systemPrompt, agent.tools]).toEqual(['', []]);
  });

  it('that are deprecated contribute unchanged', async () => {
    expect((await assembled([harness('root', ['x'])], [capability('x', { status: 'deprecated', prompt: 'Yes.' })])).systemPrompt).toContain(
      'Yes.',
    );
  });

  it('that nothing is registered under are named and skipped', async () => {
    expect((await assembled([harness('root', ['ghost'])])).unknownCapabilities).toEqual(['ghost']);
  });

  it('whose resolution throws stop the assembly, naming the capability', async () => {
    const broken: Capability = {
      ...capability('broken'),
      resolve: () => {
        throw new Error('bad config');
      },
    };
    expect(await assemble([harness('root', ['broken'])], [broken])).toEqual({
      problem: { code: 'capability_failed', text: 'Capability "broken" cannot be used: Error: bad config' },
    });
  });

  it('beyond 100 are refused', async () => {
    const many = Array.from({ length: 101 }, (_, index) => capability(`c${index}`));
    const result = await assemble(
      [
        harness(
          'root',
          many.map(({ info }) => info.id),
        ),
      ],
      many,
    );
    expect(result).toMatchObject({ problem: { code: 'too_many_capabilities' } });
  });

  it('with one id are refused by the registry', () => {
    expect(() => createCapabilityRegistry([capability('x'), capability('x')])).toThrow('two capabilities have the id "x"');
  });
});

describe('tools', () => {
  const client = (name: string) => ({ type: 'client_side' as const, name, description: name, parameters: { type: 'object' } });

  it('come from capabilities with their origin and effect, and from agent and session as client-side ones', async () => {
    const capabilities = [
      capability('x', {
        tools: [
          { name: 'reads', hints: { readonly: true } },
          { name: 'sets', hints: { idempotent: true } },
          { name: 'pays' },
          { name: 'pure', hints: { side_effect_class: 'Pure' } },
          { name: 'once', hints: { side_effect_class: 'AtMostOnce' } },
        ],
      }),
    ];
    const agent = await assembled(
      [
        { tier: 'harness', id: 'h', capabilities: [{ ref: 'x', config: { k: 1 } }] },
        { tier: 'session', id: 's', tools: [client('ask')] },
      ],
      capabilities,
    );
    expect(agent.tools.map(({ spec, side, effect }) => [spec.name, side, effect])).toEqual([
      ['reads', 'server', 'readonly'],
      ['sets', 'server', 'idempotent'],
      ['pays', 'server', 'unsafe'],
      ['pure', 'server', 'readonly'],
      ['once', 'server', 'unsafe'],
      ['ask', 'client', 'unsafe'],
    ]);
    expect(agent.tools[0]?.capability).toEqual({ ref: 'x', config: { k: 1 }, name: 'The x' });
  });

  it('of one name are refused, saying where both come from', async () => {
    const result = await assemble(
      [{ tier: 'agent', id: 'a', capabilities: [{ ref: 'x' }], tools: [client('same')] }],
      [capability('x', { tools: [{ name: 'same' }] })],
    );
    expect(result).toEqual({
      problem: {
        code: 'duplicate_tool',
        text: 'Two tools are named "same": the one of capability "x" and a client-side tool. Rename or remove one.',
      },
    });
  });
});

describe('settings', () => {
  it('default to 500 iterations, standard disclosure and no word on parallel calls', async () => {
    expect(await assembled([])).toMatchObject({ maxIterations: 500, errorDisclosure: 'standard' });
    expect(await assembled([])).not.toHaveProperty('parallelToolCalls');
  });

  it('take the disclosure from the last capability in fold order that sets one', async () => {
    const capabilities = [capability('open', { disclosure: 'detailed' }), capability('shut', { disclosure: 'generic' })];
    expect(
      (await assembled([harness('h', ['open']), { tier: 'session', id: 's', capabilities: [{ ref: 'shut' }] }], capabilities))
        .errorDisclosure,
    ).toBe('generic');
  });
});
