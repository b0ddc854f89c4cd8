import type { Agent } from '@everruns/contract';
import { describe, expect, test } from 'vitest';
import { exportAgent, importAgent } from './agent-documents.ts';

const AGENT: Agent = {
  id: `agent_${'0'.repeat(31)}1`,
  name: 'dad-jokes',
  display_name: 'Dad Jokes: "the best"',
  system_prompt: 'Tell jokes.\n\n---\n\nNever stop.',
  harness_id: `harness_${'0'.repeat(31)}2`,
  harness_is_explicit: true,
  status: 'active',
  created_at: '',
  updated_at: '',
  capabilities: [{ ref: 'current_time' }, { ref: 'x', config: { a: [1] } }],
  tools: [],
  initial_files: [{ path: '/a', content: 'x', encoding: 'text', is_readonly: false }],
  tags: ['fun'],
  max_iterations: 3,
  self_url: '',
  view_url: '',
  ui_link: '',
};

test('what is exported can be imported again', () => {
  const { system_prompt, name, display_name, capabilities, initial_files, tags, max_iterations, id, harness_id } = AGENT;
  expect(importAgent(exportAgent(AGENT))).toEqual({
    id,
    name,
    display_name,
    capabilities,
    initial_files,
    tags,
    max_iterations,
    harness_id,
    system_prompt,
  });
});

test('a harness that the agent inherits is not exported', () => {
  expect(exportAgent({ ...AGENT, harness_is_explicit: false })).not.toContain('harness_id');
});

describe('documents', () => {
  test('front matter with plain capability ids', () => {
    const text = '---\nname: "Dad Jokes"\ndescription: Jokes\ncapabilities:\n  - current_time\n  - ref: x\n---\n\nTell jokes.\n';
    expect(importAgent(text)).toEqual({
      name: 'dad-jokes',
      display_name: 'Dad Jokes',
      description: 'Jokes',
      capabilities: [{ ref: 'current_time' }, { ref: 'x' }],
      system_prompt: 'Tell jokes.',
    });
  });
  test('Windows line ends and a byte order mark', () => {
    expect(importAgent('\uFEFF---\r\nname: a\r\n---\r\nPrompt')).toEqual({ name: 'a', system_prompt: 'Prompt' });
  });
  test('YAML and JSON as a whole', () => {
    expect(importAgent('name: a\nsystem_prompt: |-\n  Two\n  lines')).toMatchObject({ name: 'a', system_prompt: 'Two\nlines' });
    expect(importAgent('{"name":"a","system_prompt":"x"}')).toEqual({ name: 'a', system_prompt: 'x' });
  });
  test('plain text is the prompt, with a name that is the same each time', () => {
    const imported = importAgent('You are a pirate: always.\nSay "arr".');
    expect(imported['system_prompt']).toBe('You are a pirate: always.\nSay "arr".');
    expect(imported['name']).toMatch(/^imported-[0-9a-f]{12}$/);
    expect(importAgent('You are a pirate: always.\nSay "arr".')).toEqual(imported);
  });
  test('text that happens to be a YAML mapping without a prompt is text', () => {
    expect(importAgent('role: pirate')).toMatchObject({ system_prompt: 'role: pirate' });
  });
  test.each(['', '  \n', '---\n- a\n---\nx', '---\na: [\n---\nx', '{"name": '])('%j is refused', (text) => {
    expect(() => importAgent(text)).toThrowError(expect.objectContaining({ code: 'invalid_request', field: 'body' }));
  });
  test('aliases do not blow a document up', () => {
    const bomb = `---\na: &a [1,1,1,1,1,1,1,1,1]\n${'bcdefghij'
      .split('')
      .map((x, i) => `${x}: &${x} [${`*${'abcdefghi'[i]},`.repeat(9).slice(0, -1)}]`)
      .join('\n')}\n---\nx`;
    expect(() => importAgent(bomb)).toThrowError(expect.objectContaining({ code: 'invalid_request' }));
  });
});
