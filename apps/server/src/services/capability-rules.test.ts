import { createCapabilityRegistry, toolSuccess } from '@everruns/agent';
import type { Capability, CapabilityInfo } from '@everruns/agent';
import { PlatformError } from '@everruns/contract';
import type { CapabilityRef, ConfigLayer } from '@everruns/contract';
import { ROLE_PERMISSIONS } from '@everruns/contract';
import { describe, expect, it } from 'vitest';
import { createCapabilityRules } from './capability-rules.ts';
import type { CapabilityRulesDeps } from './capability-rules.ts';

const scope = {
  orgId: '00000000-0000-0000-0000-000000000001',
  userId: '00000000-0000-0000-0000-000000000001',
  permissions: ROLE_PERMISSIONS.member,
};

function capability(id: string, info: Partial<CapabilityInfo> = {}, toolNames: string[] = []): Capability {
  return {
    info: { id, name: id, description: id, status: 'available', risk_level: 'low', tools: [], features: [], dependencies: [], ...info },
    ...(id === 'picky' && { checkConfig: (config) => (config['n'] === 13 ? 'Not thirteen.' : null) }),
    resolve: (config) => {
      if (config['explode'] === true) throw new Error('boom');
      const definitions = toolNames.map((name) => ({ name, description: name, parameters: { type: 'object' } }));
      return { tools: definitions.map((definition) => ({ definition, execute: () => toolSuccess(null) })) };
    },
  };
}

const schema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  properties: { n: { type: 'integer', minimum: 1 }, mode: { enum: ['on', 'off'] }, list: { type: 'array', items: { type: 'string' } } },
  required: ['n'],
  additionalProperties: false,
};

const registry = createCapabilityRegistry([
  capability('plain', {}, ['look']),
  capability('twin', {}, ['look']),
  capability('picky', { config_schema: schema }),
  capability('bashkit_shell', { risk_level: 'high' }),
  capability('docker_container', { experimental: true, risk_level: 'high' }),
  capability('wraps_docker', { dependencies: ['docker_container'] }),
  capability('later', { status: 'coming_soon' }),
  capability('hen', { dependencies: ['egg'] }),
  capability('egg', { dependencies: ['hen'] }),
  capability('explosive'),
  ...Array.from({ length: 101 }, (_, n) => capability(`many_${n}`)),
]);

const rulesOf = (deps: Partial<CapabilityRulesDeps> = {}) => createCapabilityRules({ registry, grade: 'prod', ...deps });

async function refusal(work: Promise<unknown>): Promise<[string, string | undefined]> {
  try {
    await work;
  } catch (error) {
    if (error instanceof PlatformError) return [error.code, error.field];
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('references', () => {
  it.each<[string, CapabilityRef[], string, string]>([
    ['that nothing is behind', [{ ref: 'plain' }, { ref: 'warp' }], 'unknown_capability', 'capabilities.1.ref'],
    ['to a server that the organization does not have', [{ ref: 'mcp:x' }], 'unknown_capability', 'capabilities.0.ref'],
    ['twice', [{ ref: 'plain' }, { ref: 'plain' }], 'invalid_request', 'capabilities.1.ref'],
    ['twice by two names', [{ ref: 'bashkit_shell' }, { ref: 'virtual_bash' }], 'invalid_request', 'capabilities.1.ref'],
    ['to what is not offered', [{ ref: 'docker_container' }], 'capability_unavailable', 'capabilities.0.ref'],
    ['with a list for a configuration', [{ ref: 'picky', config: [] }], 'invalid_request', 'capabilities.0.config'],
    ['without a required option', [{ ref: 'picky', config: {} }], 'invalid_capability_config', 'capabilities.0.config'],
    ['with an option of a wrong type', [{ ref: 'picky', config: { n: 'x' } }], 'invalid_capability_config', 'capabilities.0.config.n'],
    ['with an option out of range', [{ ref: 'picky', config: { n: 0 } }], 'invalid_capability_config', 'capabilities.0.config.n'],
    [
      'with an option that is no choice',
      [{ ref: 'picky', config: { n: 1, mode: 'x' } }],
      'invalid_capability_config',
      'capabilities.0.config.mode',
    ],
    [
      'with a wrong item deep inside',
      [{ ref: 'picky', config: { n: 1, list: ['a', 2] } }],
      'invalid_capability_config',
      'capabilities.0.config.list.1',
    ],
    ['with an unknown option', [{ ref: 'picky', config: { n: 1, m: 2 } }], 'invalid_capability_config', 'capabilities.0.config'],
    [
      'with what the capability itself refuses',
      [{ ref: 'picky', config: { n: 13 } }],
      'invalid_capability_config',
      'capabilities.0.config',
    ],
  ])('%s are refused', async (_name, refs, code, field) => {
    expect(await refusal(rulesOf().stored(scope, refs))).toEqual([code, field]);
  });

  it('are stored under their present name, with their configuration', async () => {
    const refs = [{ ref: 'virtual_bash', config: { x: 1 } }, { ref: 'picky', config: { n: 2 } }, { ref: 'later' }];
    expect(await rulesOf().stored(scope, refs)).toEqual([{ ref: 'bashkit_shell', config: { x: 1 } }, ...refs.slice(1)]);
    expect(await rulesOf().stored(scope, [{ ref: 'plain', config: null }])).toEqual([{ ref: 'plain' }]);
  });

  it('to something of the organization are as good as that is there', async () => {
    const rules = rulesOf({ isVirtual: (_scope, ref) => Promise.resolve(ref === 'mcp:mine') });
    expect(await rules.stored(scope, [{ ref: 'mcp:mine' }])).toEqual([{ ref: 'mcp:mine' }]);
    expect(await refusal(rules.stored(scope, [{ ref: 'mcp:theirs' }]))).toEqual(['unknown_capability', 'capabilities.0.ref']);
  });

  it('of high risk are for those who may, and the refusal names them', async () => {
    const rules = rulesOf({ mayAssignHighRisk: () => false });
    await expect(rules.stored(scope, [{ ref: 'plain' }, { ref: 'bashkit_shell' }])).rejects.toThrow('bashkit_shell');
    expect(await rules.stored(scope, [{ ref: 'plain' }])).toEqual([{ ref: 'plain' }]);
  });

  it('of high risk that are stored stay as they are when the rest is changed', async () => {
    const rules = rulesOf({ mayAssignHighRisk: () => false });
    const kept = [{ ref: 'bashkit_shell', config: { a: [1, { b: 2 }] } }];
    const same = { ref: 'bashkit_shell', config: { a: [1, { b: 2 }] } };
    expect(await rules.stored(scope, [same, { ref: 'plain' }], kept)).toHaveLength(2);
    expect(await rules.stored(scope, [{ ref: 'plain' }], kept)).toHaveLength(1);
    expect(await refusal(rules.stored(scope, [{ ...same, config: { a: [1] } }], kept))).toEqual(['forbidden', 'capabilities']);
    expect(await refusal(rules.stored(scope, [{ ref: 'bashkit_shell' }], kept))).toEqual(['forbidden', 'capabilities']);
    expect(await rulesOf({ mayAssignHighRisk: () => true }).stored(scope, [{ ref: 'bashkit_shell' }], kept)).toHaveLength(1);
  });

  it('of high risk cannot come along with others either', async () => {
    const rules = rulesOf({ mayAssignHighRisk: () => false });
    await expect(rules.stored(scope, [{ ref: 'wraps_docker' }])).rejects.toThrow('docker_container');
    expect(await rules.stored(scope, [{ ref: 'wraps_docker' }], [{ ref: 'wraps_docker' }])).toHaveLength(1);
  });

  it.each(['dev', 'poc', 'preview', 'prod'] as const)('to experimental ones are for grade dev alone: %s', async (grade) => {
    const attempt = rulesOf({ grade }).stored(scope, [{ ref: 'docker_container' }]);
    if (grade === 'dev') expect(await attempt).toHaveLength(1);
    else expect(await refusal(attempt)).toEqual(['capability_unavailable', 'capabilities.0.ref']);
  });
});

describe('configurations as a whole', () => {
  const layers = (refs: string[], more: Partial<ConfigLayer> = {}): ConfigLayer[] => [
    { tier: 'harness', id: 'h', capabilities: refs.map((ref) => ({ ref })) },
    { tier: 'session', id: 's', ...more },
  ];
  const look = { type: 'client_side' as const, name: 'look', description: 'Looks', parameters: {} };

  it.each<[string, ConfigLayer[], string, string]>([
    ['two capabilities with a tool of one name', layers(['plain', 'twin']), 'duplicate_tool', 'tools'],
    ['a client tool named like one of a capability', layers(['plain'], { tools: [look] }), 'duplicate_tool', 'tools'],
    ['a circle of dependencies', layers(['hen']), 'dependency_cycle', 'capabilities'],
    [
      'more than a hundred capabilities',
      layers(Array.from({ length: 101 }, (_, n) => `many_${n}`)),
      'too_many_capabilities',
      'capabilities',
    ],
    [
      'a capability that cannot be set up',
      layers([], { capabilities: [{ ref: 'explosive', config: { explode: true } }] }),
      'invalid_capability_config',
      'capabilities',
    ],
    ['a capability in a lower tier that is not offered', layers(['docker_container']), 'capability_unavailable', 'capabilities'],
    ['a dependency that is not offered', layers(['wraps_docker']), 'capability_unavailable', 'capabilities'],
  ])('with %s are refused', async (_name, given, code, field) => {
    expect(await refusal(rulesOf().effective(scope, given))).toEqual([code, field]);
  });

  it('may name what is not there yet', async () => {
    expect((await rulesOf().effective(scope, layers(['later', 'plain']))).tools).toHaveLength(1);
  });
});
