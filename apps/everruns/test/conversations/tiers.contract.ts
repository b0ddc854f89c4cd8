import type { WireRequest } from '@everruns/providers/testing/wire-simulator';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { compose, type Composition } from './composition.ts';
import { payload } from './conversation.ts';
import { systemOf, toolsOf } from './received.ts';
import { toSimulators, withSetting, type Setting } from './setting.ts';
import { WIRES, type Wire } from './wires.ts';

/** Harness, agent and session over several turns: inheritance is live, and what a session stands on may be taken away. */

let composition: Composition;
beforeAll(async () => {
  composition = await compose({ worker: { fetch: toSimulators } });
});
afterAll(() => composition.close());

const wire = WIRES.find(({ name }) => name === 'a compatible base_url') as Wire;
const withModel = (work: (setting: Setting) => Promise<void>): Promise<void> => withSetting(composition, wire, work);
const call = (method: string, path: string, body?: unknown): Promise<unknown> => composition.api.expect(method, path, body);
const requestOf = ({ simulator }: Setting, turn: number): WireRequest => simulator.requests[turn] as WireRequest;

async function make(kind: 'harnesses' | 'agents', fields: Record<string, unknown>): Promise<string> {
  return (await composition.api.expect<{ id: string }>('POST', `/v1/${kind}`, fields)).id;
}

it('the next turn runs on what harness and agent say by then', () =>
  withModel(async (setting) => {
    const root = await make('harnesses', { name: 'live-root', system_prompt: 'Old root.' });
    const leaf = await make('harnesses', { name: 'live-leaf', parent_harness_id: root });
    await make('agents', { name: 'live-agent', system_prompt: 'Old agent.', harness_id: leaf });
    const chat = await setting.converse({ harness_name: null, agent_name: 'live-agent', capabilities: [], tools: [] });
    setting.simulator.script({ text: 'One.' }, { text: 'Two.' });
    await chat.say('First.');
    await call('PATCH', '/v1/harnesses/live-root', { system_prompt: 'New root.', capabilities: [{ ref: 'current_time' }] });
    await call('PATCH', '/v1/agents/live-agent', { system_prompt: 'New agent.' });
    await chat.say('Second.');
    const prompts = [0, 1].map((turn) => systemOf(requestOf(setting, turn)));
    expect(prompts[0]).toContain('Old root.');
    expect(prompts[0]).toContain('Old agent.');
    expect(prompts[1]).toContain('New root.');
    expect(prompts[1]).toContain('New agent.');
    expect(toolsOf(requestOf(setting, 1))).toEqual(['get_current_time']);
    await chat.close();
  }));

it.each<['agents' | 'harnesses', string]>([
  ['agents', 'agent_name'],
  ['harnesses', 'harness_name'],
])('a session stops with words when one of its %s is archived, and goes on when it is back', (kind, field) =>
  withModel(async (setting) => {
    const name = `taken-away-${kind}`;
    await make(kind, { name, system_prompt: 'Here.' });
    const chat = await setting.converse({ harness_name: null, [field]: name, capabilities: [], tools: [] });
    await call('PATCH', `/v1/${kind}/${name}`, { status: 'archived' });
    const stopped = await chat.say('Anybody?');
    expect(payload(stopped, 'turn.failed')).toMatchObject({ error_code: 'dependency_unavailable' });
    expect(chat.answers).toHaveLength(1);
    expect(setting.simulator.requests).toHaveLength(0);
    expect((await composition.api.call('POST', '/v1/sessions', { [field]: name })).body).toMatchObject({
      code: 'dependency_archived',
      field,
    });
    expect((await composition.api.call('GET', `/v1/sessions/${chat.id}/preview`)).body).toMatchObject({ code: 'dependency_archived' });
    await call('PATCH', `/v1/${kind}/${name}`, { status: 'active' });
    setting.simulator.script({ text: 'Back.' });
    await chat.say('And now?');
    expect(systemOf(requestOf(setting, 0))).toContain('Here.');
    await chat.close();
  }),
);

it('starter files bring the tools for files along', () =>
  withModel(async (setting) => {
    await make('harnesses', { name: 'with-files', system_prompt: 'Files.', initial_files: [{ path: '/notes.md', content: 'Buy milk.' }] });
    const chat = await setting.converse({ harness_name: 'with-files', capabilities: [], tools: [] });
    setting.simulator.script({ toolCalls: [{ name: 'read_file', arguments: { path: '/workspace/notes.md' } }] }, { text: 'Milk.' });
    const turn = await chat.say('What is to be done?');
    expect(toolsOf(requestOf(setting, 0))).toContain('read_file');
    expect(JSON.stringify(payload(turn, 'tool.completed'))).toContain('Buy milk.');
    expect((await chat.session())['features']).toContain('file_system');
    await chat.close();
  }));

it('a session narrows what its agent allows of the network, and cannot widen it', () =>
  withModel(async (setting) => {
    await make('agents', { name: 'narrow', system_prompt: 'N.', harness_name: 'base', network_access: { allowed: ['*.example.com'] } });
    const session = { harness_name: null, agent_name: 'narrow', network_access: { allowed: ['*'], blocked: ['b.example.com'] }, tools: [] };
    const chat = await setting.converse({ ...session, capabilities: [{ ref: 'web_fetch' }] });
    const preview = (await call('GET', `/v1/sessions/${chat.id}/preview`)) as { provenance: { limits: unknown } };
    expect(preview.provenance.limits).toMatchObject({
      network_access: { value: { allowed: ['*.example.com'], blocked: ['b.example.com'] } },
    });
    const urls = ['https://elsewhere.test/', 'https://b.example.com/'];
    setting.simulator.script({ toolCalls: urls.map((url) => ({ name: 'web_fetch', arguments: { url } })) }, { text: 'Refused.' });
    const turn = await chat.say('Look.');
    const refusals = turn.filter(({ type }) => type === 'tool.completed').map(({ data }) => JSON.stringify(data));
    expect(refusals).toHaveLength(2);
    for (const refusal of refusals) expect(refusal).toContain('The network access list of this session does not permit');
    await chat.close();
  }));
