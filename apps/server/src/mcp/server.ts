import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import {
  CallToolRequestSchema,
  ErrorCode,
  ListResourcesRequestSchema,
  ListResourceTemplatesRequestSchema,
  ListToolsRequestSchema,
  McpError,
  ReadResourceRequestSchema,
} from '@modelcontextprotocol/sdk/types.js';
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import type { CallApi } from './api-calls.ts';
import { readResource, RESOURCE_TEMPLATES, RESOURCES } from './resources.ts';
import { timedOut, toFailure } from './tool-errors.ts';
import { OrganizationId } from './tool.ts';
import type { Tool, ToolContext } from './tool.ts';

const READ_MS = 10_000;

const INSTRUCTIONS = `Run agents and manage what they are made of. agent_run starts an agent and returns at once; session_get_status tells how it \
goes on and what it answered. Everything else the API can do is found with discover, read with query and changed with execute.`;

export interface McpServerDeps {
  version: string;
  tools: readonly Tool[];
  /** Of the request that this server answers; `organizationId` is a public id. */
  contextOf(options: { organizationId: string | undefined; signal: AbortSignal }): Promise<ToolContext>;
  /** For what callers are not told of. */
  onHidden(error: Error, tool: string): void;
}

/** One server for one request: nothing is remembered between two, so any instance can answer any of them. */
export function createMcpServer(deps: McpServerDeps): Server {
  const { tools, version } = deps;
  const server = new Server(
    { name: 'everruns', title: 'Everruns', version },
    { capabilities: { tools: {}, resources: {} }, instructions: INSTRUCTIONS },
  );
  server.setRequestHandler(ListToolsRequestSchema, () => ({
    tools: tools.map(({ name, title, description, inputSchema, outputSchema, annotations }) => ({
      name,
      title,
      description,
      inputSchema,
      outputSchema,
      annotations: { title, ...annotations },
    })),
  }));
  server.setRequestHandler(CallToolRequestSchema, async ({ params }, { signal }) => {
    const tool = tools.find(({ name }) => name === params.name);
    if (tool === undefined) throw new McpError(ErrorCode.InvalidParams, `There is no tool ${JSON.stringify(params.name)}.`);
    return callTool(tool, params.arguments, { deps, signal });
  });
  server.setRequestHandler(ListResourcesRequestSchema, () => ({ resources: RESOURCES }));
  server.setRequestHandler(ListResourceTemplatesRequestSchema, () => ({ resourceTemplates: RESOURCE_TEMPLATES }));
  server.setRequestHandler(ReadResourceRequestSchema, async ({ params }, { signal }) => {
    const whole = AbortSignal.any([signal, AbortSignal.timeout(READ_MS)]);
    const { callApi } = await deps.contextOf({ organizationId: undefined, signal: whole });
    return readResource(callApi as CallApi, params.uri);
  });
  return server;
}

interface ToolCall {
  deps: McpServerDeps;
  signal: AbortSignal;
}

async function callTool(tool: Tool, input: unknown, { deps, signal }: ToolCall): Promise<CallToolResult> {
  const tooLong = AbortSignal.timeout(tool.timeoutMs);
  const whole = AbortSignal.any([signal, tooLong]);
  try {
    const context = await deps.contextOf({ organizationId: tool.isScoped ? organizationOf(input) : undefined, signal: whole });
    return resultOf(await withinTime(tool.run(context, input), whole));
  } catch (error) {
    const { failure, hidden } = toFailure(tooLong.aborted ? timedOut(tool.timeoutMs, !tool.annotations.readOnlyHint) : error);
    if (hidden !== null) deps.onHidden(hidden.cause instanceof Error ? hidden.cause : hidden, tool.name);
    return { ...resultOf(failure), isError: true };
  }
}

/** What is not one is left for the tool to refuse with everything else that is wrong. */
function organizationOf(input: unknown): string | undefined {
  const given = (input as { organization_id?: unknown } | undefined)?.organization_id;
  return OrganizationId.safeParse(given).data;
}

/** The same twice: for clients that read structures, and for those that read texts. */
function resultOf(structuredContent: Record<string, unknown>): CallToolResult {
  return { content: [{ type: 'text', text: JSON.stringify(structuredContent) }], structuredContent };
}

function withinTime<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const give = (): void => reject(signal.reason as Error);
    if (signal.aborted) return give();
    signal.addEventListener('abort', give, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', give));
  });
}
