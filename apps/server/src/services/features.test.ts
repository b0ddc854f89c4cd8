import { createCapabilityRegistry } from '@everruns/agent';
import type { Capability, CapabilityInfo } from '@everruns/agent';
import { expect, it } from 'vitest';
import { featuresOf } from './features.ts';

function capability(id: string, info: Partial<CapabilityInfo>): Capability {
  return {
    info: { id, name: id, description: id, status: 'available', risk_level: 'low', tools: [], features: [], dependencies: [], ...info },
    resolve: () => ({ tools: [] }),
  };
}

const deps = {
  registry: createCapabilityRegistry([
    capability('session_file_system', { features: ['file_system'] }),
    capability('bashkit_shell', { features: ['file_system'], dependencies: ['session_file_system'] }),
    capability('storage', { features: ['secrets', 'key_value'] }),
    capability('wraps', { dependencies: ['storage'] }),
    capability('later', { status: 'coming_soon', features: ['later'], dependencies: ['storage'] }),
    capability('old', { status: 'deprecated', features: ['old'] }),
    capability('hen', { dependencies: ['egg'], features: ['hen'] }),
    capability('egg', { dependencies: ['hen'] }),
    capability('docker', { experimental: true, features: ['leased_resources'] }),
  ]),
  offers: ({ info }: Capability) => info.experimental !== true,
};

it.each<[string, string[], boolean, string[]]>([
  ['are none without capabilities', [], false, []],
  ['are named once, also by an older name and a dependency', ['virtual_bash', 'session_file_system'], false, ['file_system']],
  ['come with what a capability needs', ['wraps'], false, ['secrets', 'key_value']],
  ['come with starter files', [], true, ['file_system']],
  ['of something announced are none', ['later', 'mcp:x', 'ghost'], false, []],
  ['of something deprecated stay', ['old'], false, ['old']],
  ['of a circle are found all the same', ['hen'], false, ['hen']],
  ['of what is not offered here are none', ['docker'], false, []],
])('features %s', (_name, refs, hasFiles, expected) => {
  expect(featuresOf(refs, hasFiles, deps)).toEqual(expected);
});
