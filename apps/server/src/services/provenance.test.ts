import { assembleRuntimeAgent, createCapabilityRegistry, toolSuccess } from '@everruns/agent';
import type { Capability } from '@everruns/agent';
import type { ConfigLayer } from '@everruns/contract';
import { expect, it } from 'vitest';
import { provenanceOf } from './provenance.ts';

function capability(id: string, dependencies: string[] = []): Capability {
  const definition = { name: `${id}_tool`, description: id, parameters: { type: 'object' } };
  return {
    info: { id, name: id, description: id, status: 'available', risk_level: 'low', tools: [], features: [], dependencies },
    resolve: () => ({ prompt: `Use ${id}.`, tools: [{ definition, execute: () => toolSuccess(null) }] }),
  };
}

const capabilities = createCapabilityRegistry([
  capability('files'),
  capability('shell', ['files']),
  capability('clock'),
  { ...capability('later'), info: { ...capability('later').info, status: 'coming_soon' } },
]);
const tool = { type: 'client_side' as const, name: 'ask', description: 'Asks', parameters: {} };

const layers: ConfigLayer[] = [
  {
    tier: 'harness',
    id: 'harness_root',
    name: 'root',
    system_prompt: 'Root.',
    capabilities: [{ ref: 'clock' }, { ref: 'later' }],
    network_access: { allowed: ['*.a.com'] },
    mcp_servers: { docs: { url: 'https://a' }, wiki: { url: 'https://w' } },
    parallel_tool_calls: true,
    embedder_metadata: { app: 'x' },
  },
  { tier: 'harness', id: 'harness_leaf', name: 'leaf', initial_files: [{ path: 'a.md' }] },
  { tier: 'agent', id: 'agent_a', name: 'a', capabilities: [{ ref: 'shell' }, { ref: 'clock', config: { x: 1 } }], max_iterations: 9 },
  {
    tier: 'session',
    id: '',
    tools: [tool],
    network_access: { blocked: ['b.a.com'] },
    mcp_servers: { docs: { url: 'https://b' } },
    initial_files: [{ path: '/workspace/a.md' }],
  },
];
const [root, leaf, agent] = [
  { tier: 'harness', id: 'harness_root', name: 'root' },
  { tier: 'harness', id: 'harness_leaf', name: 'leaf' },
  { tier: 'agent', id: 'agent_a', name: 'a' },
];
const session = { tier: 'session' };

it('says of every part which tier gave it', async () => {
  const assembly = await assembleRuntimeAgent({ layers, capabilities, context: { session_id: 's', org_id: 'o' } });
  if ('problem' in assembly) throw new Error(assembly.problem.text);
  expect(provenanceOf(layers, assembly.agent, undefined)).toEqual({
    layers: [root, leaf, agent, session],
    prompt: [
      { layer: agent, capability: 'files', text: '<capability id="files">\nUse files.\n</capability>' },
      { layer: agent, capability: 'shell', text: '<capability id="shell">\nUse shell.\n</capability>' },
      { layer: agent, capability: 'clock', text: '<capability id="clock">\nUse clock.\n</capability>' },
      { layer: root, text: '<system-prompt tier="harness">\nRoot.\n</system-prompt>' },
    ],
    capabilities: [
      { ref: 'files', layer: agent, required_by: 'shell', overrides: [] },
      { ref: 'shell', layer: agent, overrides: [] },
      { ref: 'clock', config: { x: 1 }, layer: agent, overrides: [root] },
    ],
    inert_capabilities: [{ ref: 'later', layer: root }],
    tools: [
      { name: 'files_tool', layer: agent, capability: 'files' },
      { name: 'shell_tool', layer: agent, capability: 'shell' },
      { name: 'clock_tool', layer: agent, capability: 'clock' },
      { name: 'ask', layer: session },
    ],
    limits: {
      max_iterations: { value: 9, layer: agent },
      parallel_tool_calls: { value: true, layer: root },
      network_access: { value: { allowed: ['*.a.com'], blocked: ['b.a.com'] }, layers: [root, session] },
    },
    mcp_servers: [
      { name: 'docs', layer: session },
      { name: 'wiki', layer: root },
    ],
    initial_files: [{ path: '/a.md', layer: session }],
    embedder_metadata: { app: 'x' },
  });
});
