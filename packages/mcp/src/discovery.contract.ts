import type { CallSession, OpAnswer } from '@everruns/agent/session-access';
import type { McpServerState } from '@everruns/contract';
import { createOutbound, LOOPBACK_RULES, parseEgressAllow } from '@everruns/outbound';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { createMcpDiscovery, type DiscoveryRequest } from './discovery.ts';
import { startLocalServer, type LocalServer, type RpcHandlers } from './testing/local-server.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const outbound = createOutbound({ allow: parseEgressAllow(LOOPBACK_RULES) });
const OLD = [{ name: 'old', description: 'Old', parameters: { type: 'object' } }];
const servers: LocalServer[] = [];
afterAll(() => outbound.close());
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
});

/** A control plane with one server in it, and what was kept there. */
async function plane(state: Partial<McpServerState>, handlers: RpcHandlers = {}, timeoutMs = 10_000) {
  const server = await startLocalServer(handlers);
  servers.push(server);
  const kept: unknown[] = [];
  const listed: McpServerState[] = [
    { ref: 'mcp:1', name: 'local', url: server.url, key: 'k', tools: null, age_ms: null, failed_ms: null, ...state },
  ];
  const call: CallSession = (op, args): Promise<OpAnswer> => {
    if (op === 'mcp.keep_tools') kept.push((args as { tools: { name: string }[] | null }).tools?.map(({ name }) => name) ?? null);
    const values: Record<string, unknown> = { 'mcp.servers': { servers: listed }, 'mcp.connect': { url: server.url, headers: {} } };
    return Promise.resolve({ value: values[op] ?? { kept: true } });
  };
  const warnings: string[] = [];
  const log = { warn: (_: object, message: string) => void warnings.push(message), error: () => undefined };
  const discovery = createMcpDiscovery({ fetch: (access) => outbound.fetch({ kind: 'mcp', access }), log, timeoutMs });
  const toolsOf = async (request: Partial<DiscoveryRequest> = {}) => {
    const { servers } = await discovery.toolsOf({ call, access: undefined, signal: new AbortController().signal, ...request });
    return servers.map(({ tools, trouble }) => trouble ?? tools.map(({ name }) => name));
  };
  const lists = () => server.seen.filter(({ message }) => message.method === 'tools/list').length;
  return { toolsOf, kept, lists, listed, warnings };
}

describe('the tools of a server', () => {
  it('that nobody has asked are asked for and kept', async () => {
    const { toolsOf, kept } = await plane({});
    expect(await toolsOf()).toEqual([['look', 'book']]);
    expect(kept).toEqual([['look', 'book']]);
  });

  it('are what was kept within the last hour, without asking', async () => {
    const { toolsOf, lists } = await plane({ tools: OLD, age_ms: HOUR - 1 });
    expect(await toolsOf()).toEqual([['old']]);
    expect(lists()).toBe(0);
  });

  it('are what was kept within a day, and are asked for behind the step', async () => {
    const { toolsOf, kept } = await plane({ tools: OLD, age_ms: HOUR + 1 });
    expect(await toolsOf()).toEqual([['old']]);
    await vi.waitFor(() => expect(kept).toEqual([['look', 'book']]), 10_000);
  });

  it('are asked for when what was kept is older than a day, and left out when that fails', async () => {
    expect(await (await plane({ tools: OLD, age_ms: 24 * HOUR + 1 })).toolsOf()).toEqual([['look', 'book']]);
    const hanging = await plane({ tools: OLD, age_ms: 24 * HOUR + 1 }, { 'tools/list': () => undefined }, 300);
    expect(await hanging.toolsOf()).toEqual(['unreachable']);
    expect(hanging.kept).toEqual([null]);
    expect(hanging.warnings).toHaveLength(1);
  });

  it('are not asked for within a minute of a failure', async () => {
    const { toolsOf, lists } = await plane({ failed_ms: MINUTE - 1 });
    expect(await toolsOf()).toEqual(['unreachable']);
    expect(lists()).toBe(0);
    expect(await (await plane({ failed_ms: MINUTE + 1 })).toolsOf()).toEqual([['look', 'book']]);
  });

  it('are asked for once by many steps at a time', async () => {
    const { toolsOf, lists } = await plane({});
    expect(await Promise.all(Array.from({ length: 10 }, () => toolsOf()))).toEqual(Array.from({ length: 10 }, () => [['look', 'book']]));
    expect(lists()).toBe(1);
  });

  it('are asked for again when the step that asked is cancelled; that is no failure of the server', async () => {
    const abort = new AbortController();
    const { toolsOf, kept } = await plane({}, { 'tools/list': slowAtFirst(() => abort.abort(new Error('cancelled'))) });
    const first = toolsOf({ signal: abort.signal });
    const second = toolsOf();
    expect(await first).toEqual([]);
    expect(await second).toEqual([['late']]);
    expect(kept).toEqual([['late']]);
  });

  it('are not there for a session that may not reach it, which is no failure of the server', async () => {
    const { toolsOf, kept, lists } = await plane({ tools: OLD, age_ms: 0 });
    expect(await toolsOf({ access: { allowed: ['example.com'] } })).toEqual(['out_of_reach']);
    expect([kept, lists()]).toEqual([[], 0]);
  });

  it('are those of the first where two have one name', async () => {
    const { toolsOf, listed } = await plane({ tools: OLD, age_ms: 0 });
    listed.push({ ...(listed[0] as McpServerState), ref: 'mcp:2', name: 'LOCAL', key: 'other' });
    expect(await toolsOf()).toEqual([['old']]);
  });
});

/** Does not answer the first time, and says that it was asked. */
function slowAtFirst(askedFirst: () => void): RpcHandlers[string] {
  let asked = 0;
  return (_, { reply }) => {
    if (asked++ === 0) askedFirst();
    else reply({ tools: [{ name: 'late', inputSchema: { type: 'object' } }] });
  };
}
