import {
  toolError,
  type Capability,
  type CapabilityRegistry,
  type JsonObject,
  type Tool,
  type ToolContext,
  type ToolResult,
} from '@everruns/agent/capability';
import { present } from '@everruns/agent/objects';
import type { ConfigLayer } from '@everruns/contract';
import { noticeOf } from './absence.ts';
import { callTool, McpError } from './client.ts';
import type { McpServerTools } from './discovery.ts';
import { toolName } from './names.ts';
import { isMcpRef } from './refs.ts';
import { toToolResult } from './results.ts';
import { specOf } from './tools.ts';

/** MCP servers as capabilities: for the assembly of an agent, and where its calls run. */

/**
 * A configuration with its servers in place: every reference carries what a call needs to know of names, and of the agent that answers in the place of
 * the session's own.
 */
export function withServers(layers: readonly ConfigLayer[], servers: readonly McpServerTools[], agentId?: string): ConfigLayer[] {
  const agent = present({ agent_id: agentId });
  const configs = new Map(servers.map((server) => [server.ref, { names: changedNames(server), ...agent }]));
  const placed = new Set<string>();
  const own = layers.map((layer) => {
    const capabilities = (layer.capabilities ?? []).map((entry) => {
      const config = configs.get(entry.ref);
      if (config === undefined) return entry;
      placed.add(entry.ref);
      return { ref: entry.ref, config };
    });
    return capabilities.length === 0 ? layer : { ...layer, capabilities };
  });
  const scoped = [...configs].filter(([ref]) => !placed.has(ref)).map(([ref, config]) => ({ ref, config }));
  const last = own.at(-1);
  if (scoped.length === 0 || last === undefined) return own;
  return [...own.slice(0, -1), { ...last, capabilities: [...(last.capabilities ?? []), ...scoped] }];
}

/** The registry with the servers of one step. Their tools are announced here and run elsewhere. */
export function withMcpServers(registry: CapabilityRegistry, servers: readonly McpServerTools[]): CapabilityRegistry {
  const own = new Map(servers.map((server) => [server.ref, announced(server)]));
  return { get: (id) => own.get(id) ?? registry.get(id), list: () => registry.list() };
}

/** The registry for one call: a server's reference stands for the one tool that is called. */
export function withMcpCalls(registry: CapabilityRegistry, call: { tool: string; fetch: typeof globalThis.fetch }): CapabilityRegistry {
  return { get: (id) => (isMcpRef(id) ? callable(id, call) : registry.get(id)), list: () => registry.list() };
}

function announced(server: McpServerTools): Capability {
  // What a server calls its tools may come to one name here: the first counts, or its sessions could not run at all.
  const byName = new Map<string, Tool>();
  for (const tool of server.tools) {
    const definition = specOf(server.name, tool);
    if (!byName.has(definition.name)) byName.set(definition.name, { definition, execute: () => toolError('This tool runs elsewhere.') });
  }
  return virtual(server.ref, server.name, () => ({ tools: [...byName.values()], ...present({ prompt: noticeOf(server) }) }));
}

function callable(ref: string, { tool, fetch }: { tool: string; fetch: typeof globalThis.fetch }): Capability {
  const definition = { name: tool, description: '', parameters: { type: 'object' } };
  return virtual(ref, ref, (config) => ({
    tools: [
      { definition, execute: (args, ctx) => run(args, ctx, { ref, agentId: config.agent_id, tool: remoteName(tool, config), fetch }) },
    ],
  }));
}

interface Run {
  ref: string;
  agentId: unknown;
  tool: string;
  fetch: typeof globalThis.fetch;
}

async function run(args: JsonObject, ctx: ToolContext, { ref, agentId, tool, fetch }: Run): Promise<ToolResult> {
  const connection = await ctx.session.call('mcp.connect', { ref, ...(typeof agentId === 'string' && { agent_id: agentId }) });
  try {
    const call = { tool, arguments: args, idempotencyKey: ctx.idempotency_key };
    return toToolResult(await callTool(connection, call, { fetch, signal: ctx.signal }));
  } catch (error) {
    if (error instanceof McpError) return toolError(error.message);
    throw error;
  }
}

/** By what a server calls its tools, where that cannot be read from the name that the model uses. */
function changedNames({ name, tools }: McpServerTools): Record<string, string> {
  const pairs = new Map<string, string>();
  for (const tool of tools) if (!pairs.has(toolName(name, tool.name))) pairs.set(toolName(name, tool.name), tool.name);
  return Object.fromEntries([...pairs].filter(([called, remote]) => plainName(called) !== remote));
}

function remoteName(called: string, config: JsonObject): string {
  const names = (config.names ?? {}) as Record<string, unknown>;
  const remote = Object.hasOwn(names, called) ? names[called] : undefined;
  return typeof remote === 'string' ? remote : plainName(called);
}

function plainName(called: string): string {
  return called.slice(called.indexOf('__') + 2);
}

function virtual(ref: string, name: string, resolve: (config: JsonObject) => { tools: Tool[]; prompt?: string }): Capability {
  return {
    info: {
      id: ref,
      name,
      description: 'Tools of an MCP server.',
      status: 'available',
      category: 'MCP Servers',
      icon: 'plug',
      risk_level: 'low',
      tools: [],
      features: [],
      dependencies: [],
    },
    resolve,
  };
}
