import { startLocalServer, type LocalServer, type RpcHandlers } from '@everruns/mcp/testing/local-server';
import type { WireRequest } from '@everruns/providers/testing/wire-simulator';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { compose, type Composition } from './composition.ts';
import { received, systemOf } from './received.ts';
import { withSetting, type Setting } from './setting.ts';
import { WIRES, type Wire } from './wires.ts';

/** MCP servers through whole turns: model, worker, its thread, the link, the control plane, the database and a real server. */

const WIRE = WIRES.find(({ protocol }) => protocol === 'anthropic') as Wire;
const CANARY = 'mcp-canary-91c2';
/** One pixel. */
const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
let composition: Composition;
let made = 0;
const servers: LocalServer[] = [];

beforeAll(async () => {
  composition = await compose();
});
afterAll(() => composition.close());
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
});

async function serve(handlers: RpcHandlers = {}): Promise<LocalServer> {
  const server = await startLocalServer(handlers);
  servers.push(server);
  return server;
}

async function register(server: LocalServer, fields: object = {}): Promise<{ id: string; name: string }> {
  const name = `local ${++made}`;
  const { id } = await composition.api.expect<{ id: string }>('POST', '/v1/mcp-servers', { name, url: server.url, ...fields });
  return { id, name };
}

/** What one call of a new session ended with. */
async function callIn(setting: Setting, session: object, tool: string, args: object = {}) {
  const chat = await setting.converse({ capabilities: [], ...session });
  setting.simulator.script({ toolCalls: [{ name: tool, arguments: { ...args } }] }, { text: 'Done.' });
  const events = await chat.say('Do it.');
  return { chat, events, data: events.find(({ type }) => type === 'tool.completed')?.data ?? {} };
}

const methodsOf = (server: LocalServer) => server.seen.map(({ message }) => message.method);

describe('an MCP server of the organization', () => {
  it('gives its tools to a session, is called with its secrets, and is asked for its tools once', () =>
    withSetting(composition, WIRE, async (setting) => {
      const server = await serve();
      const { id } = await register(server, { api_key: CANARY, headers: { 'X-Team': 'blue' } });
      const session = { capabilities: [{ ref: `mcp:${id}` }] };
      const first = await callIn(setting, session, `mcp_local_${made}__book`, { seat: 4 });
      expect(first.data).toMatchObject({ success: true, tool_name: `mcp_local_${made}__book` });
      expect(JSON.stringify(first.data['result'])).toContain('did book');
      const called = server.seen.find(({ message }) => message.method === 'tools/call');
      expect(called?.message.params).toMatchObject({ name: 'book', arguments: { seat: 4 } });
      expect(Object.values(called?.message.params?._meta ?? {})[0]).toMatch(/^session_/);
      expect(called?.headers).toMatchObject({ authorization: `Bearer ${CANARY}`, 'x-team': 'blue' });
      await callIn(setting, session, `mcp_local_${made}__look`);
      expect(methodsOf(server).filter((method) => method === 'tools/list')).toHaveLength(1);
      expect(JSON.stringify(first.events)).not.toContain(CANARY);
      const stored = await composition.db.run({ name: 'mcp_dump', text: 'select t.* from mcp_servers t' });
      expect(JSON.stringify(stored)).not.toContain(CANARY);
    }));

  it('that is disabled gives no tools, and a call that was planned before says so', () =>
    withSetting(composition, WIRE, async (setting) => {
      const server = await serve();
      const { id } = await register(server);
      await composition.api.expect('PATCH', `/v1/mcp-servers/${id}`, { status: 'disabled' });
      const { data } = await callIn(setting, { capabilities: [{ ref: `mcp:${id}` }] }, `mcp_local_${made}__look`);
      expect(data).toMatchObject({ success: false, error: expect.stringContaining('There is no tool named') as unknown });
      expect(server.seen).toEqual([]);
    }));

  it('whose words no database stores is used like any other', () =>
    withSetting(composition, WIRE, async (setting) => {
      const tools = [{ name: 'odd', description: 'a\u0000b\ud800', inputSchema: { type: 'object', properties: { 'c\u0000': {} } } }];
      const server = await serve({
        'tools/list': (_, { reply }) => reply({ tools }),
        'tools/call': (_, { reply }) => reply({ content: [{ type: 'text', text: 'x\u0000y\ud800' }] }),
      });
      const { id } = await register(server);
      const session = { capabilities: [{ ref: `mcp:${id}` }] };
      for (const _ of [1, 2]) {
        const { data } = await callIn(setting, session, `mcp_local_${made}__odd`);
        expect(data).toMatchObject({ success: true });
      }
      expect(methodsOf(server).filter((method) => method === 'tools/list')).toHaveLength(1);
    }));

  it('that refuses to be asked leaves the turn without its tools, and does not hold up the next', () =>
    withSetting(composition, WIRE, async (setting) => {
      const server = await serve({ initialize: (_, { response }) => void response.writeHead(500).end() });
      const { id } = await register(server);
      const session = { capabilities: [{ ref: `mcp:${id}` }] };
      const { data } = await callIn(setting, session, `mcp_local_${made}__look`);
      expect(data).toMatchObject({ success: false, error: expect.stringContaining('There is no tool named') as unknown });
      const asked = server.seen.length;
      await callIn(setting, session, `mcp_local_${made}__look`);
      expect(server.seen.length).toBe(asked);
    }));

  it('is not reached beyond the network access of the session', () =>
    withSetting(composition, WIRE, async (setting) => {
      const server = await serve();
      const { id } = await register(server);
      const session = { capabilities: [{ ref: `mcp:${id}` }], network_access: { blocked: ['127.0.0.1'] } };
      await callIn(setting, session, `mcp_local_${made}__look`);
      expect(server.seen).toEqual([]);
    }));
});

describe('an MCP server that a session names and that is not there', () => {
  const ended = ({ events }: { events: { type: string; data: Record<string, unknown> }[] }) =>
    events.flatMap(({ type, data }) => (type.startsWith('turn.') && type !== 'turn.started' ? [{ type, error: data['error'] }] : []));
  const shown = ({ events }: { events: { type: string; data: Record<string, unknown> }[] }) =>
    JSON.stringify(events.filter(({ type }) => type === 'output.message.completed').map(({ data }) => data['message']));
  const usage = ({ events }: { events: { type: string; data: Record<string, unknown> }[] }) =>
    events.flatMap(({ type, data }) => (type === 'capability.usage' ? (data['records'] as unknown[]) : []));

  it('archived or deleted ends the next turn with words that say so, and no model is asked', () =>
    withSetting(composition, WIRE, async (setting) => {
      const server = await serve();
      const { id, name } = await register(server);
      const chat = await setting.converse({ capabilities: [{ ref: `mcp:${id}` }] });
      setting.simulator.script({ text: 'Here.' });
      await chat.say('Are you there?');
      const before = setting.simulator.requests.length;
      await composition.api.expect('DELETE', `/v1/mcp-servers/${id}`);
      const archived = { events: await chat.say('And now?') };
      expect(ended(archived)).toEqual([{ type: 'turn.failed', error: expect.stringContaining(`"${name}" was archived`) as unknown }]);
      expect(shown(archived)).toContain(`\\"${name}\\" was archived. Restore it, or take it out of the configuration.`);
      await composition.api.expect('PATCH', `/v1/mcp-servers/${id}`, { status: 'active' });
      setting.simulator.script({ text: 'Back.' });
      expect(ended({ events: await chat.say('Back?') })).toMatchObject([{ type: 'turn.completed' }]);
      await composition.api.expect('DELETE', `/v1/mcp-servers/${id}`);
      await composition.api.expect('POST', `/v1/mcp-servers/${id}/delete`);
      const deleted = { events: await chat.say('And now?') };
      expect(ended(deleted)).toEqual([{ type: 'turn.failed', error: expect.stringContaining(`"${name}" was deleted`) as unknown }]);
      expect(setting.simulator.requests).toHaveLength(before + 1); // the turn in between
      expect((await composition.api.expect<{ status: string }>('GET', `/v1/sessions/${chat.id}`)).status).toBe('idle');
      await chat.close();
    }));

  it.each<[string, string, object, RpcHandlers]>([
    ['mcp.unreachable', 'cannot be reached at the moment', {}, { initialize: (_, { response }) => void response.writeHead(500).end() }],
    ['mcp.out_of_reach', 'is not among the hosts', { network_access: { blocked: ['127.0.0.1'] } }, {}],
    ['mcp.disabled', 'is switched off', {}, {}],
  ])('%s leaves the turn to go on, and tells the model and whoever watches', (code, words, session, handlers) =>
    withSetting(composition, WIRE, async (setting) => {
      const { id, name } = await register(await serve(handlers));
      if (code === 'mcp.disabled') await composition.api.expect('PATCH', `/v1/mcp-servers/${id}`, { status: 'disabled' });
      const chat = await setting.converse({ capabilities: [{ ref: `mcp:${id}` }, { ref: 'current_time' }], ...session });
      for (const _ of ['first', 'second']) {
        setting.simulator.script({ toolCalls: [{ name: 'get_current_time', arguments: {} }] }, { text: 'Without it.' });
        const turn = { events: await chat.say('Go on.') };
        expect(ended(turn)).toMatchObject([{ type: 'turn.completed' }]);
        expect(usage(turn)).toMatchObject([{ capability_id: `mcp:${id}`, capability_name: name, reason_code: code }]);
        expect(usage(turn)).toMatchObject([{ detail: expect.stringContaining(words) as unknown }]);
        const [request] = setting.simulator.requests.slice(-2);
        expect(systemOf(request as WireRequest)).toContain(`The MCP server "${name}" ${words}`);
      }
      await chat.close();
    }),
  );
});

describe('an MCP server that stands in a session', () => {
  it('gives its tools under its name, with its literal headers, before one of the organization', () =>
    withSetting(composition, WIRE, async (setting) => {
      const [own, other] = [await serve(), await serve()];
      const { id, name } = await register(other);
      const session = {
        capabilities: [{ ref: `mcp:${id}` }],
        mcpServers: { [name]: { type: 'http', url: own.url, headers: { 'x-own': '1' } } },
      };
      const { data } = await callIn(setting, session, `mcp_local_${made}__look`);
      expect(data).toMatchObject({ success: true });
      expect(own.seen.find(({ message }) => message.method === 'tools/call')?.headers['x-own']).toBe('1');
      expect(methodsOf(other)).not.toContain('tools/call');
    }));

  it('is told by the model what it reports as an error, also when its tools have changed', () =>
    withSetting(composition, WIRE, async (setting) => {
      const server = await serve({
        'tools/call': (_, { reply }) => reply({ isError: true, content: [{ type: 'text', text: 'Unknown tool: look' }] }),
      });
      const { data } = await callIn(setting, { mcpServers: { docs: { url: server.url } } }, 'mcp_docs__look');
      expect(data).toMatchObject({ success: false, error: expect.stringContaining('Unknown tool: look') as unknown });
    }));

  it('shows the model the images that it sends, and says which it could not show', () =>
    withSetting(composition, WIRE, async (setting) => {
      const image = { type: 'image', data: PNG, mimeType: 'image/png' };
      const server = await serve({ 'tools/call': (_, { reply }) => reply({ content: [image, { ...image, data: 'AAAA' }] }) });
      const { chat, data } = await callIn(setting, { mcpServers: { eyes: { url: server.url } } }, 'mcp_eyes__look');
      expect(data['result']).toMatchObject([
        {
          type: 'tool_result',
          result: { content: [{ note: 'Shown as image 1 of this result.' }, { note: 'The image itself cannot be shown.' }] },
        },
        { type: 'image', media_type: 'image/png', base64: PNG },
      ]);
      expect(received(setting.simulator.requests[1]).filter((line) => line.startsWith('image'))).toEqual(['image image/png']);
      await chat.close();
    }));

  it("of an agent that is addressed is there for its answers, whatever the session's own agent has", () =>
    withSetting(composition, WIRE, async (setting) => {
      const [hosts, guests, organization] = [await serve(), await serve(), await serve()];
      const { id, name } = await register(organization);
      const agent = async (server: LocalServer, more: object = {}) => {
        const fields = { name: `mcp-agent-${++made}`, system_prompt: 'x', harness_name: 'base', mcpServers: { desk: { url: server.url } } };
        return (await composition.api.expect<{ id: string }>('POST', '/v1/agents', { ...fields, ...more })).id;
      };
      const slug = `mcp_${name.replace(' ', '_')}__look`;
      const guest = await agent(guests, { capabilities: [{ ref: `mcp:${id}` }] });
      const chat = await setting.converse({ agent_id: await agent(hosts), capabilities: [] });
      const path = `/v1/sessions/${chat.id}/participants`;
      const member = await composition.api.expect<{ id: string }>('POST', path, { kind: 'agent', agent_id: guest });
      const names = ['mcp_desk__book', slug];
      setting.simulator.script({ toolCalls: names.map((each) => ({ name: each, arguments: {} })) }, { text: 'Done.' });
      const turn = await chat.say('Book it.', { addressed_participant_id: member.id });
      expect(turn.flatMap(({ type, data }) => (type === 'tool.completed' ? [data['success']] : []))).toEqual([true, true]);
      expect([hosts, guests, organization].map((server) => methodsOf(server).includes('tools/call'))).toEqual([false, true, true]);
      setting.simulator.script({ toolCalls: [{ name: 'mcp_desk__book', arguments: {} }] }, { text: 'Done.' });
      await chat.say('And you.');
      expect(methodsOf(hosts)).toContain('tools/call');
      await chat.close();
    }));

  it('that sends its visitors inside is not followed', () =>
    withSetting(composition, WIRE, async (setting) => {
      const server = await serve({
        initialize: (_, { response }) => void response.writeHead(307, { location: 'http://10.0.0.1/mcp' }).end(),
      });
      const { data, events } = await callIn(setting, { mcpServers: { inside: { url: server.url } } }, 'mcp_inside__look');
      expect(data).toMatchObject({ success: false });
      expect(events.at(-1)?.type).toBe('session.idled');
    }));
});
