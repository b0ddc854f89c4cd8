import { describe, expect, it } from 'vitest';
import type { ConfigLayer } from '@everruns/contract';
import { foldLayers, type FoldedConfig } from './layers.ts';

type Fields = Omit<ConfigLayer, 'tier' | 'id'>;

interface Tiers {
  root?: Fields;
  leaf?: Fields;
  agent?: Fields;
  session?: Fields;
}

interface Case<T> {
  rule: string;
  tiers: Tiers;
  gives: T;
}

function layersOf({ root = {}, leaf = {}, agent = {}, session = {} }: Tiers): ConfigLayer[] {
  return [
    { tier: 'harness', id: 'root', ...root },
    { tier: 'harness', id: 'leaf', ...leaf },
    { tier: 'agent', id: 'agent', ...agent },
    { tier: 'session', id: 'session', ...session },
  ];
}

/** One test per row: what the tiers say, and what of it is in effect. */
function rules<T>(field: string, read: (folded: FoldedConfig) => unknown, cases: readonly Case<T>[]): void {
  describe(field, () => {
    it.each(cases)('$rule', ({ tiers, gives }) => {
      expect(read(foldLayers(layersOf(tiers)))).toEqual(gives);
    });
  });
}

const tool = (name: string) => ({ type: 'client_side' as const, name, description: name, parameters: { type: 'object' } });
const prompts = ({ sections }: FoldedConfig) => Object.fromEntries(sections.flatMap(({ id, prompt }) => (prompt ? [[id, prompt]] : [])));
const capabilities = ({ sections }: FoldedConfig) =>
  Object.fromEntries(sections.flatMap(({ id, capabilities }) => (capabilities.length > 0 ? [[id, capabilities]] : [])));

rules('system_prompt', prompts, [
  {
    rule: 'each tier keeps its own text, trimmed',
    tiers: { root: { system_prompt: '  Root.\n' }, session: { system_prompt: 'S' } },
    gives: { root: 'Root.', session: 'S' },
  },
  { rule: 'what is blank is dropped', tiers: { leaf: { system_prompt: ' \n ' }, agent: { system_prompt: '' } }, gives: {} },
]);

rules('goal', prompts, [
  {
    rule: 'ends the prompt of the session in its own tag',
    tiers: { session: { system_prompt: 'Be brief.', goal: ' Ship it. ' } },
    gives: { session: 'Be brief.\n\n<session-goal>\nShip it.\n</session-goal>' },
  },
  {
    rule: 'stands alone without a prompt',
    tiers: { session: { goal: 'Ship it.' } },
    gives: { session: '<session-goal>\nShip it.\n</session-goal>' },
  },
  { rule: 'that is blank is dropped', tiers: { session: { goal: '  ' } }, gives: {} },
]);

rules('capabilities', capabilities, [
  {
    rule: 'a later tier replaces the whole entry, its configuration included, and takes it into its own section',
    tiers: {
      root: { capabilities: [{ ref: 'a', config: { x: 1, y: 2 } }, { ref: 'b' }] },
      agent: { capabilities: [{ ref: 'a', config: { x: 3 } }] },
    },
    gives: { root: [{ ref: 'b' }], agent: [{ ref: 'a', config: { x: 3 } }] },
  },
  {
    rule: 'a later entry without configuration clears the earlier one',
    tiers: { leaf: { capabilities: [{ ref: 'a', config: { x: 1 } }] }, session: { capabilities: [{ ref: 'a' }] } },
    gives: { session: [{ ref: 'a' }] },
  },
  {
    rule: 'new ones are added behind those that are there',
    tiers: { root: { capabilities: [{ ref: 'a' }] }, leaf: { capabilities: [{ ref: 'b' }] }, session: { capabilities: [{ ref: 'c' }] } },
    gives: { root: [{ ref: 'a' }], leaf: [{ ref: 'b' }], session: [{ ref: 'c' }] },
  },
  {
    rule: 'one list that names an id twice keeps the place of the first and the configuration of the last',
    tiers: { agent: { capabilities: [{ ref: 'x', config: 1 }, { ref: 'y' }, { ref: 'x', config: 2 }] } },
    gives: { agent: [{ ref: 'x', config: 2 }, { ref: 'y' }] },
  },
  {
    rule: 'an older name is the same capability',
    tiers: { root: { capabilities: [{ ref: 'bashkit_shell' }] }, agent: { capabilities: [{ ref: 'virtual_bash', config: { x: 1 } }] } },
    gives: { agent: [{ ref: 'bashkit_shell', config: { x: 1 } }] },
  },
]);

const at = (path: string, from?: string) => ({ path, ...(from !== undefined && { from }) });
rules('initial_files', (folded) => folded.initialFiles, [
  {
    rule: 'a later tier replaces the whole file of the same path, in its place',
    tiers: { root: { initial_files: [at('/a', 'root'), at('/b', 'root')] }, agent: { initial_files: [at('/a', 'agent'), at('/c')] } },
    gives: [at('/a', 'agent'), at('/b', 'root'), at('/c')],
  },
  {
    rule: 'paths are compared in one spelling: from the root of the workspace, with a slash',
    tiers: { root: { initial_files: [at('/workspace/notes/a.md', 'root')] }, session: { initial_files: [at('notes//./a.md', 'session')] } },
    gives: [at('/notes/a.md', 'session')],
  },
]);

rules('network_access', (folded) => folded.networkAccess, [
  { rule: 'nothing said is everything allowed', tiers: {}, gives: undefined },
  {
    rule: 'a tier that says nothing inherits',
    tiers: { root: { network_access: { allowed: ['a.com'] } }, agent: {} },
    gives: { allowed: ['a.com'] },
  },
  {
    rule: 'an allowed host stays only when a tier below allows it too',
    tiers: { root: { network_access: { allowed: ['*.a.com', 'b.com'] } }, agent: { network_access: { allowed: ['x.a.com', 'c.com'] } } },
    gives: { allowed: ['x.a.com'] },
  },
  {
    rule: 'a wider pattern gives no more than the tier below',
    tiers: { root: { network_access: { allowed: ['x.a.com'] } }, session: { network_access: { allowed: ['*'] } } },
    gives: { allowed: ['x.a.com'] },
  },
  {
    rule: 'hosts that share nothing leave nothing, not everything',
    tiers: { root: { network_access: { allowed: ['a.com'] } }, agent: { network_access: { allowed: ['b.com'] } } },
    gives: { allowed: [] },
  },
  {
    rule: 'what any tier blocks is blocked',
    tiers: {
      root: { network_access: { blocked: ['a.com'] } },
      leaf: { network_access: { blocked: ['a.com', 'b.com'] } },
      session: { network_access: { allowed: ['c.com'] } },
    },
    gives: { allowed: ['c.com'], blocked: ['a.com', 'b.com'] },
  },
]);

rules('tools', (folded) => folded.tools.map(({ layer, definition }) => [layer.id, definition.name]), [
  {
    rule: 'are added up, and a harness has none',
    tiers: { root: { tools: [tool('h')] }, agent: { tools: [tool('t1')] }, session: { tools: [tool('t2')] } },
    gives: [
      ['agent', 't1'],
      ['session', 't2'],
    ],
  },
]);

rules('max_iterations', (folded) => folded.maxIterations, [
  { rule: 'the later tier wins', tiers: { agent: { max_iterations: 20 }, session: { max_iterations: 7 } }, gives: 7 },
  { rule: 'a tier that says nothing inherits', tiers: { agent: { max_iterations: 20 } }, gives: 20 },
  { rule: 'a harness has no say', tiers: { root: { max_iterations: 3 } }, gives: undefined },
]);

rules('parallel_tool_calls', (folded) => folded.parallelToolCalls, [
  {
    rule: 'the later tier wins, also with false',
    tiers: { root: { parallel_tool_calls: true }, agent: { parallel_tool_calls: false } },
    gives: false,
  },
  { rule: 'a tier that says nothing inherits', tiers: { leaf: { parallel_tool_calls: true } }, gives: true },
  { rule: 'nothing said is nothing asked for', tiers: {}, gives: undefined },
]);

rules('mcpServers', (folded) => folded.mcpServers, [
  {
    rule: 'a later tier replaces the whole server of the same name',
    tiers: {
      root: { mcp_servers: { docs: { url: 'https://a', headers: { k: 'v' } }, other: { url: 'https://o' } } },
      session: { mcp_servers: { docs: { url: 'https://b' } } },
    },
    gives: { docs: { url: 'https://b' }, other: { url: 'https://o' } },
  },
]);

rules('embedder_metadata', (folded) => folded.embedderMetadata, [
  {
    rule: 'comes from the harness chain alone, the leaf winning key by key',
    tiers: {
      root: { embedder_metadata: { app: 'root', team: 'x' } },
      leaf: { embedder_metadata: { app: 'leaf' } },
      agent: { embedder_metadata: { app: 'ignored' } },
    },
    gives: { app: 'leaf', team: 'x' },
  },
]);

it('folds nothing into an empty configuration', () => {
  expect(foldLayers([])).toEqual({ sections: [], tools: [], embedderMetadata: {}, mcpServers: {}, initialFiles: [] });
});
