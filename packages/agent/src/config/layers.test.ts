import { describe, expect, it } from 'vitest';
import type { ConfigLayer } from '@everruns/contract';
import { foldLayers } from './layers.ts';

const tool = (name: string) => ({ type: 'client_side' as const, name, description: name, parameters: { type: 'object' } });

const root: ConfigLayer = {
  tier: 'harness',
  id: 'h1',
  system_prompt: '  Root.  ',
  capabilities: [{ ref: 'a' }, { ref: 'b', config: { from: 'root' } }],
  max_iterations: 3,
  tools: [tool('from_harness')],
  parallel_tool_calls: true,
  embedder_metadata: { app: 'root', team: 'x' },
};
const leaf: ConfigLayer = {
  tier: 'harness',
  id: 'h2',
  system_prompt: '   ',
  capabilities: [{ ref: 'c' }],
  embedder_metadata: { app: 'leaf' },
};
const agent: ConfigLayer = {
  tier: 'agent',
  id: 'ag',
  system_prompt: 'Agent.',
  capabilities: [{ ref: 'b', config: { from: 'agent' } }],
  tools: [tool('t1')],
  max_iterations: 20,
  parallel_tool_calls: false,
  embedder_metadata: { app: 'ignored' },
};
const session: ConfigLayer = { tier: 'session', id: 's', tools: [tool('t2')], max_iterations: 7 };

describe('foldLayers', () => {
  const folded = foldLayers([root, leaf, agent, session]);

  it('moves an overridden capability, with its whole new entry, to the section of the tier that overrides it', () => {
    expect(folded.sections.map(({ id, capabilities }) => [id, capabilities])).toEqual([
      ['h1', [{ ref: 'a' }]],
      ['h2', [{ ref: 'c' }]],
      ['ag', [{ ref: 'b', config: { from: 'agent' } }]],
      ['s', []],
    ]);
  });

  it('trims prompts and drops empty ones', () => {
    expect(folded.sections.map(({ prompt }) => prompt)).toEqual(['Root.', undefined, 'Agent.', undefined]);
  });

  it('takes scalar values from the last layer that sets them', () => {
    expect(folded.maxIterations).toBe(7);
    expect(folded.parallelToolCalls).toBe(false);
  });

  it('ignores tools and iteration limit of a harness', () => {
    expect(folded.tools.map(({ definition }) => definition.name)).toEqual(['t1', 't2']);
    expect(foldLayers([root]).maxIterations).toBeUndefined();
  });

  it('takes embedder metadata from the harness chain only, the leaf winning key by key', () => {
    expect(folded.embedderMetadata).toEqual({ app: 'leaf', team: 'x' });
  });

  it('keeps the place of the first and the configuration of the last entry of one list', () => {
    const [section] = foldLayers([
      { tier: 'agent', id: 'a', capabilities: [{ ref: 'x', config: 1 }, { ref: 'y' }, { ref: 'x', config: 2 }] },
    ]).sections;
    expect(section?.capabilities).toEqual([{ ref: 'x', config: 2 }, { ref: 'y' }]);
  });

  it('folds nothing into an empty configuration', () => {
    expect(foldLayers([])).toEqual({ sections: [], tools: [], embedderMetadata: {} });
  });
});
