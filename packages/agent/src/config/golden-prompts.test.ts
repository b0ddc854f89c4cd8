import { expect, it } from 'vitest';
import type { ConfigLayer } from '@everruns/contract';
import { createCapabilityRegistry, type Capability } from '../capability.ts';
import { assembleRuntimeAgent } from './runtime-agent.ts';

/** Whole prompts, letter by letter: what models are told is part of the product. */

function says(id: string, dependencies: string[] = []): Capability {
  return {
    info: { id, name: id, description: id, status: 'available', risk_level: 'low', tools: [], features: [], dependencies },
    resolve: ({ mood }) => ({ prompt: typeof mood === 'string' ? `Use ${id} ${mood}.` : `Use ${id}.`, tools: [] }),
  };
}

const capabilities = createCapabilityRegistry([
  ...['files', 'web', 'todo', 'clock'].map((id) => says(id)),
  says('shell', ['files']),
  says('session_file_system'),
]);

async function promptOf(layers: ConfigLayer[]): Promise<string> {
  const assembly = await assembleRuntimeAgent({ layers, capabilities, context: { session_id: 's', org_id: 'o' } });
  if ('problem' in assembly) throw new Error(assembly.problem.text);
  return assembly.agent.systemPrompt;
}

const harness = (id: string, system_prompt: string, refs: string[] = []): ConfigLayer => ({
  tier: 'harness',
  id,
  system_prompt,
  capabilities: refs.map((ref) => ({ ref })),
});

it('a parent chain of three under an agent and a session', async () => {
  const layers: ConfigLayer[] = [
    harness('root', 'Root.', ['clock']),
    harness('middle', 'Middle.', ['web']),
    harness('leaf', 'Leaf.', ['todo']),
    { tier: 'agent', id: 'a', system_prompt: 'Agent.', capabilities: [{ ref: 'files' }] },
    { tier: 'session', id: 's', system_prompt: 'Session.', goal: 'Finish.', capabilities: [{ ref: 'shell' }] },
  ];
  expect(await promptOf(layers)).toBe(`<capability id="shell">
Use shell.
</capability>

<system-prompt tier="session">
Session.

<session-goal>
Finish.
</session-goal>
</system-prompt>

<capability id="files">
Use files.
</capability>

<system-prompt tier="agent">
Agent.
</system-prompt>

<capability id="todo">
Use todo.
</capability>

<capability id="web">
Use web.
</capability>

<capability id="clock">
Use clock.
</capability>

<system-prompt tier="harness">
Leaf.
</system-prompt>

<system-prompt tier="harness">
Middle.
</system-prompt>

<system-prompt tier="harness">
Root.
</system-prompt>`);
});

it('an overridden capability stands where it was overridden, with the new configuration', async () => {
  const layers: ConfigLayer[] = [
    harness('root', 'Root.', ['web', 'clock']),
    { tier: 'agent', id: 'a', system_prompt: 'Agent.', capabilities: [{ ref: 'web', config: { mood: 'sparingly' } }] },
  ];
  expect(await promptOf(layers)).toBe(`<capability id="web">
Use web sparingly.
</capability>

<system-prompt tier="agent">
Agent.
</system-prompt>

<capability id="clock">
Use clock.
</capability>

<system-prompt tier="harness">
Root.
</system-prompt>`);
});

it('a session prompt alone on top of a harness', async () => {
  expect(await promptOf([harness('root', 'Root.'), { tier: 'session', id: 's', system_prompt: 'Session.' }]))
    .toBe(`<system-prompt tier="session">
Session.
</system-prompt>

<system-prompt tier="harness">
Root.
</system-prompt>`);
});

it('no capability at all', async () => {
  expect(await promptOf([harness('root', 'Root.'), { tier: 'agent', id: 'a', system_prompt: 'Agent.' }])).toBe(`<system-prompt tier="agent">
Agent.
</system-prompt>

<system-prompt tier="harness">
Root.
</system-prompt>`);
});

it('starter files bring the file system along, at the bottom', async () => {
  const layers: ConfigLayer[] = [harness('root', 'Root.'), { tier: 'session', id: 's', initial_files: [{ path: '/a.md' }] }];
  expect(await promptOf(layers)).toBe(`<capability id="session_file_system">
Use session_file_system.
</capability>

<system-prompt tier="harness">
Root.
</system-prompt>`);
});
