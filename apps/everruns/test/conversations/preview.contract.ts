import { startLocalServer } from '@everruns/mcp/testing/local-server';
import type { WireRequest } from '@everruns/providers/testing/wire-simulator';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { compose, type Composition } from './composition.ts';
import { systemOf } from './received.ts';
import { ASK_USER, toSimulators, withSetting } from './setting.ts';
import { WIRES } from './wires.ts';

/** What a preview shows is what the provider gets, byte for byte. */

let composition: Composition;
beforeAll(async () => {
  composition = await compose({ worker: { fetch: toSimulators } });
});
afterAll(() => composition.close());

interface PreviewedTool {
  name: string;
  description: string;
  parameters: unknown;
}

interface Preview {
  system_prompt: string;
  tools: PreviewedTool[];
  provenance: { prompt: { text: string }[]; model: { level: string; id: string } };
}

const plain = ({ name, description, parameters }: PreviewedTool): PreviewedTool => ({ name, description, parameters });

/** The tools as the wire carries them. */
function toolsOf({ protocol, body }: WireRequest): PreviewedTool[] {
  const tools = (body as { tools: Record<string, unknown>[] }).tools;
  if (protocol === 'chat') return tools.map((tool) => plain(tool['function'] as PreviewedTool));
  return tools.map((tool) => plain({ ...(tool as unknown as PreviewedTool), parameters: tool['parameters'] ?? tool['input_schema'] }));
}

let made = 0;
async function harness(fields: Record<string, unknown>): Promise<string> {
  const { id } = await composition.api.expect<{ id: string }>('POST', '/v1/harnesses', { name: `preview-${++made}`, ...fields });
  return id;
}

/** A parent chain of three, an agent that overrides a capability of it, and a session with a prompt, a goal and a tool. */
async function layeredSession(modelId: string): Promise<Record<string, unknown>> {
  const root = await harness({
    system_prompt: 'Root "quoted" & <tagged>.',
    capabilities: [{ ref: 'current_time' }, { ref: 'stateless_todo_list' }],
  });
  const middle = await harness({ system_prompt: ' Middle.\n', parent_harness_id: root });
  const leaf = await harness({ system_prompt: 'Leaf: żółć 漢字 🎈', parent_harness_id: middle });
  const agent = {
    name: `preview-agent-${made}`,
    system_prompt: 'Agent.',
    harness_id: leaf,
    capabilities: [{ ref: 'stateless_todo_list' }],
  };
  await composition.api.expect('POST', '/v1/agents', agent);
  return {
    harness_name: null,
    agent_name: agent.name,
    system_prompt: 'Session.',
    goal: 'Get there.',
    model_id: modelId,
    tools: [ASK_USER],
  };
}

it.each(WIRES.filter(({ protocol }) => protocol !== 'google'))('$name: a layered session', (wire) =>
  withSetting(composition, wire, async (setting) => {
    const request = await layeredSession(setting.modelId);
    const announced = await composition.api.expect<Preview>('POST', '/v1/sessions/preview', {
      ...request,
      capabilities: [{ ref: 'test_tools' }],
    });
    const chat = await setting.converse(request);
    const preview = await composition.api.expect<Preview>('GET', `/v1/sessions/${chat.id}/preview`);
    setting.simulator.script({ text: 'Done.' });
    await chat.say('Go.');
    const [sent] = setting.simulator.requests as [WireRequest];
    expect(systemOf(sent)).toBe(preview.system_prompt);
    expect(toolsOf(sent)).toEqual(preview.tools.map(plain));
    expect(preview.provenance.prompt.map(({ text }) => text).join('\n\n')).toBe(preview.system_prompt);
    expect(preview.provenance.model).toMatchObject({ level: 'session', id: setting.modelId });
    expect([announced.system_prompt, announced.tools]).toEqual([preview.system_prompt, preview.tools]);
    await chat.close();
  }),
);

it('a session on the general harness, before and after its first turn', () =>
  withSetting(composition, WIRES[2] as (typeof WIRES)[number], async (setting) => {
    const chat = await setting.converse({ harness_name: 'generic', capabilities: [], goal: 'Get there.' });
    for (const turn of [0, 1]) {
      const preview = await composition.api.expect<Preview>('GET', `/v1/sessions/${chat.id}/preview`);
      setting.simulator.script({ text: 'Done.' });
      await chat.say('Go.');
      const sent = setting.simulator.requests[turn] as WireRequest;
      expect(systemOf(sent)).toBe(preview.system_prompt);
      expect(toolsOf(sent)).toEqual(preview.tools.map(plain));
    }
    await chat.close();
  }));

it('a session with an MCP server, as soon as its tools are known', () =>
  withSetting(composition, WIRES[2] as (typeof WIRES)[number], async (setting) => {
    const server = await startLocalServer({});
    try {
      const mcpServers = { desk: { url: server.url } };
      const chat = await setting.converse({ capabilities: [{ ref: 'current_time' }], tools: [ASK_USER], mcpServers });
      const read = () => composition.api.expect<Preview>('GET', `/v1/sessions/${chat.id}/preview`);
      expect((await read()).tools.map(({ name }) => name)).toEqual(['get_current_time', 'look_up']);
      expect(server.seen, 'a preview asks nobody').toEqual([]);
      setting.simulator.script({ text: 'One.' }, { text: 'Two.' });
      await chat.say('First.');
      const preview = await read();
      await chat.say('Second.');
      const sent = setting.simulator.requests[1] as WireRequest;
      expect(toolsOf(sent).map(({ name }) => name)).toContain('mcp_desk__book');
      expect(toolsOf(sent)).toEqual(preview.tools.map(plain));
      expect(systemOf(sent)).toBe(preview.system_prompt);
      await chat.close();
    } finally {
      await server.stop();
    }
  }));

it('a session without any capability', () =>
  withSetting(composition, WIRES[0] as (typeof WIRES)[number], async (setting) => {
    const bare = await harness({ system_prompt: 'Bare.' });
    const chat = await setting.converse({ harness_name: null, harness_id: bare, capabilities: [], tools: [] });
    const preview = await composition.api.expect<Preview>('GET', `/v1/sessions/${chat.id}/preview`);
    setting.simulator.script({ text: 'Done.' });
    await chat.say('Go.');
    expect(systemOf(setting.simulator.requests[0] as WireRequest)).toBe(preview.system_prompt);
    expect(preview).toMatchObject({ system_prompt: '<system-prompt tier="harness">\nBare.\n</system-prompt>', tools: [] });
    await chat.close();
  }));
