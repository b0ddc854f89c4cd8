import { describe, expect, it } from 'vitest';
import type { Schemas } from '../../data/queries.ts';
import { agentBody, draftOfAgent, draftOfHarness, EMPTY_DRAFT, harnessBody, moved, nameFrom, tagsOf } from './draft.ts';

const AGENT = {
  name: 'shop',
  system_prompt: 'Sell.',
  harness_id: 'harness_1',
  harness_is_explicit: true,
  capabilities: [{ ref: 'web_fetch', config: { timeout_ms: 5000 } }],
  tools: [],
  initial_files: [{ path: '/a', content: 'x', encoding: 'text', is_readonly: false }],
  tags: ['a', 'b'],
  max_iterations: 7,
  parallel_tool_calls: false,
  network_access: { allowed: [], blocked: ['evil.example'] },
} as unknown as Schemas['Agent'];

describe('a draft', () => {
  it('gives back what the agent is when nothing was changed', () => {
    expect(agentBody(draftOfAgent(AGENT))).toMatchObject({
      name: 'shop',
      system_prompt: 'Sell.',
      harness_id: 'harness_1',
      capabilities: AGENT.capabilities,
      initial_files: AGENT.initial_files,
      tags: ['a', 'b'],
      max_iterations: 7,
      parallel_tool_calls: false,
      network_access: { allowed: [], blocked: ['evil.example'] },
    });
  });

  it('leaves the harness open when the agent has not chosen one', () => {
    expect(agentBody(draftOfAgent({ ...AGENT, harness_is_explicit: false })).harness_id).toBeNull();
  });

  it('says nothing about what was left empty', () => {
    expect(agentBody(EMPTY_DRAFT)).toMatchObject({
      display_name: null,
      default_model_id: null,
      harness_id: null,
      mcpServers: null,
      network_access: null,
      max_iterations: null,
      parallel_tool_calls: null,
    });
    expect(harnessBody(EMPTY_DRAFT)).toMatchObject({ system_prompt: null, parent_harness_id: null });
  });

  it('of a harness has its parent as base', () => {
    const harness = { ...AGENT, parent_harness_id: 'harness_0' } as unknown as Schemas['Harness'];
    expect(harnessBody(draftOfHarness(harness)).parent_harness_id).toBe('harness_0');
  });
});

describe('small things', () => {
  it('makes a name from a title', () => {
    expect(nameFrom('  Café Helper, No. 1! ')).toBe('cafe-helper-no-1');
  });
  it('takes each tag once', () => {
    expect(tagsOf('a, b,,a ')).toEqual(['a', 'b']);
  });
  it('moves within a list and not out of it', () => {
    expect(moved(['a', 'b', 'c'], 0, 2)).toEqual(['b', 'c', 'a']);
    expect(moved(['a', 'b'], 0, -1)).toEqual(['a', 'b']);
    expect(moved(['a', 'b'], 1, 2)).toEqual(['a', 'b']);
  });
});
