import { present } from '@everruns/agent/objects';
import type { CallSession } from '@everruns/agent/session-access';
import { sessionAccess } from '@everruns/agent/session-access';
import { permits } from '@everruns/outbound';
import type { StepLog } from '@everruns/agent/step';
import type { NetworkAccess } from '@everruns/agent/config/network-access';
import type { GoneMcpServer, McpServerState } from '@everruns/contract';
import { listTools } from './client.ts';
import { serverSlug } from './names.ts';
import type { McpTool } from './tools.ts';

/** What a session can do over MCP at this moment. */
export interface McpServerTools {
  ref: string;
  name: string;
  tools: McpTool[];
  /** Why it has none; the session goes on without it, and both sides are told. */
  trouble?: 'disabled' | 'unreachable' | 'out_of_reach';
}

export interface McpTools {
  /** Each under a name of its own. A server in trouble is never waited for twice. */
  servers: McpServerTools[];
  /** Archived or deleted while a tier still names them: no step is made without them. */
  gone: GoneMcpServer[];
}

export interface DiscoveryDeps {
  /** The guarded way out for what a session may reach. */
  fetch: (access: NetworkAccess | undefined) => typeof globalThis.fetch;
  log: StepLog;
  /** False: only what is known counts, and nobody is asked. */
  asks?: boolean;
  /** Milliseconds that a step waits for a server that nobody has asked before; default 10,000. */
  timeoutMs?: number;
}

export interface DiscoveryRequest {
  call: CallSession;
  access: NetworkAccess | undefined;
  /** Public id of the agent that answers in the place of the session's own. */
  agentId?: string | undefined;
  signal: AbortSignal;
}

export interface McpDiscovery {
  toolsOf(request: DiscoveryRequest): Promise<McpTools>;
}

const FRESH_MS = 3_600_000;
const USABLE_MS = 86_400_000;
/** So long nobody asks a server again that could not be asked. */
const FAILED_MS = 60_000;
const TIMEOUT_MS = 10_000;

/** Null: it is in trouble. Aborted: nothing is said about the server, as the step that asked has ended, or nobody asks. */
type Asked = McpTool[] | null | 'aborted';

/** Lists are kept where all workers find them; in one worker, a server is asked by one step at a time. */
export function createMcpDiscovery({ fetch, log, asks = true, timeoutMs = TIMEOUT_MS }: DiscoveryDeps): McpDiscovery {
  const asking = new Map<string, Promise<Asked>>();
  const ask = (server: McpServerState, request: DiscoveryRequest): Promise<Asked> => {
    const running = asking.get(server.key);
    if (running !== undefined) return running;
    const asked = discover(server, request).finally(() => asking.delete(server.key));
    asking.set(server.key, asked);
    return asked;
  };
  const discover = async ({ ref, name }: McpServerState, { call, access, agentId, signal }: DiscoveryRequest): Promise<Asked> => {
    const session = sessionAccess(call);
    const named = { ref, ...present({ agent_id: agentId }) };
    try {
      const connection = await session.call('mcp.connect', named);
      const limit = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
      const tools = await listTools(connection, { fetch: fetch(access), signal: limit, timeoutMs });
      await session.call('mcp.keep_tools', { ...named, tools: tools.map((tool) => ({ ...tool })) });
      return tools;
    } catch (error) {
      if (signal.aborted) return 'aborted';
      log.warn(
        { server: name, error: error instanceof Error ? error.message : String(error) },
        'an MCP server cannot be asked for its tools',
      );
      await session.call('mcp.keep_tools', { ...named, tools: null }).catch(() => undefined);
      return null;
    }
  };
  const toolsOfServer = async (server: McpServerState, request: DiscoveryRequest): Promise<Asked> => {
    const known = server.tools as McpTool[] | null;
    const age = server.age_ms ?? Number.POSITIVE_INFINITY;
    const isTroubled = server.failed_ms !== null && server.failed_ms < FAILED_MS;
    if (known !== null && age < USABLE_MS) {
      if (age >= FRESH_MS && !isTroubled && asks) void ask(server, request);
      return known;
    }
    if (isTroubled) return null;
    if (!asks) return 'aborted';
    // Another step may have begun to ask, and ended before the answer.
    let asked = await ask(server, request);
    while (asked === 'aborted' && !request.signal.aborted) asked = await ask(server, request);
    return asked;
  };
  return {
    async toolsOf(request) {
      const { servers, gone = [] } = await sessionAccess(request.call).call('mcp.servers', present({ agent_id: request.agentId }));
      const slugs = new Set<string>();
      // The first of a name counts: what stands in a tier comes before what the organization has.
      const distinct = servers.filter(({ name }) => !slugs.has(serverSlug(name)) && slugs.add(serverSlug(name)));
      // Judged before anybody asks: what one session may not reach says nothing about the server.
      const found = distinct.map(async (server): Promise<McpServerTools[]> => {
        const { ref, name, url } = server;
        if (!permits(request.access, new URL(url))) return [{ ref, name, tools: [], trouble: 'out_of_reach' }];
        const tools = await toolsOfServer(server, request);
        if (tools === 'aborted') return [];
        return [tools === null ? { ref, name, tools: [], trouble: 'unreachable' } : { ref, name, tools }];
      });
      const disabled = gone.filter(({ status }) => status === 'disabled');
      return {
        servers: [
          ...(await Promise.all(found)).flat(),
          ...disabled.map(({ ref, name }) => ({ ref, name: name ?? ref, tools: [], trouble: 'disabled' as const })),
        ],
        gone: gone.filter(({ status }) => status !== 'disabled'),
      };
    },
  };
}
