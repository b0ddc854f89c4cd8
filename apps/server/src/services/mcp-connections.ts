import { createHash } from 'node:crypto';
import { foldLayers } from '@everruns/agent';
import { PlatformError } from '@everruns/contract';
import type { GoneMcpServer, McpServerState, Uuid } from '@everruns/contract';
import {
  findGoneMcpServers,
  findMcpConnection,
  findMcpToolLists,
  keepMcpTools,
  listParticipants,
  loadTurnConfig,
  SecretError,
} from '@everruns/storage';
import type { Database, McpConnectionRow, TurnConfig, Vault, WriterLease } from '@everruns/storage';
import { mcpIdOf } from './mcp-servers.ts';
import { openedHeaders } from './scoped-mcp-servers.ts';

export interface McpScope {
  orgId: Uuid;
  sessionId: Uuid;
  /** What is kept is kept while it stands. */
  lease?: WriterLease;
  /** The agent that answers in the place of the session's own; it must take part in the session. */
  agentId?: Uuid;
}

/** The MCP servers that a session's configuration names, and how to reach them. */
export interface McpConnections {
  servers(at: McpScope): Promise<{ servers: McpServerState[]; gone: GoneMcpServer[] }>;
  /** Throws `not_found` for a server that this session does not have. */
  connect(at: McpScope, ref: string): Promise<{ url: string; headers: Record<string, string> }>;
  keep(at: McpScope, ref: string, tools: readonly unknown[] | null): Promise<void>;
}

/** A reference to a server of the organization. */
interface Wanted {
  ref: string;
  id: Uuid;
}

interface Named {
  ref: string;
  name: string;
  url: string;
  key: string;
  /** Throws a `SecretError` when its secrets do not open. */
  open(): Promise<{ url: string; headers: Record<string, string> }>;
}

export const SCOPED_PREFIX = 'mcp-scoped:';

export function createMcpConnections({ db, vault }: { db: Database; vault: Vault }): McpConnections {
  const named = async (at: McpScope): Promise<{ all: Named[]; absent: Wanted[] }> => {
    const config = await configOf(db, at);
    if (config === null) return { all: [], absent: [] };
    const folded = foldLayers(config.layers);
    const refs = folded.sections.flatMap(({ capabilities }) => capabilities.map(({ ref }) => ref));
    const wanted = refs.flatMap((ref) => [mcpIdOf(ref)].flatMap((id) => (id === null ? [] : [{ ref, id }])));
    const found = await Promise.all(wanted.map((each) => ofOrganization({ db, vault }, at.orgId, each)));
    return {
      all: [...(await ofTiers(vault, at.orgId, folded.mcpServers)), ...found.flat()],
      absent: wanted.filter((_, index) => found[index]?.length === 0),
    };
  };
  const require = async (at: McpScope, ref: string): Promise<Named> => {
    const server = (await named(at)).all.find((each) => each.ref === ref);
    if (server === undefined) throw new PlatformError('not_found', 'This MCP server is not there any more, or was disabled.');
    return server;
  };
  return {
    async servers(at) {
      const { all, absent } = await named(at);
      const keys = all.map(({ key }) => key);
      const lists = new Map((await findMcpToolLists(db, at.orgId, keys)).map((list) => [list.server_key, list]));
      const servers = all.map(({ ref, name, url, key }) => {
        const list = lists.get(key);
        const tools = Array.isArray(list?.tools) ? list.tools : null;
        return { ref, name, url, key, tools, age_ms: list?.age_ms ?? null, failed_ms: list?.failed_ms ?? null };
      });
      return { servers, gone: await goneOf(db, at.orgId, absent) };
    },
    async connect(at, ref) {
      return (await require(at, ref)).open();
    },
    async keep(at, ref, tools) {
      const { key } = await require(at, ref);
      await keepMcpTools(db, { orgId: at.orgId, sessionId: at.sessionId, key, tools }, at.lease ?? null);
    },
  };
}

async function configOf(db: Database, { orgId, sessionId, agentId }: McpScope): Promise<TurnConfig | null> {
  const own = await loadTurnConfig(db, { orgId, sessionId });
  if (agentId === undefined || own === null || own.agent?.id === agentId) return own;
  const participants = await listParticipants(db, { orgId, sessionId });
  const member = participants.find(({ kind, subject_id: id, left_at }) => kind === 'agent' && id === agentId && left_at === null);
  return member === undefined ? null : loadTurnConfig(db, { orgId, sessionId, participantId: member.id });
}

/** One that came back meanwhile is there at the next step. */
async function goneOf(db: Database, orgId: Uuid, absent: readonly Wanted[]): Promise<GoneMcpServer[]> {
  const ids = absent.map(({ id }) => id);
  const rows = new Map((await findGoneMcpServers(db, orgId, ids)).map((row) => [row.id, row]));
  return absent.flatMap(({ ref, id }) => {
    const row = rows.get(id);
    return row === undefined ? [] : [{ ref, name: row.name, status: row.status }];
  });
}

async function ofOrganization({ db, vault }: { db: Database; vault: Vault }, orgId: Uuid, { ref, id }: Wanted): Promise<Named[]> {
  const row = await findMcpConnection(db, orgId, id);
  return row === null ? [] : [{ ref, name: row.name, url: row.url, key: row.id, open: () => opened(vault, orgId, row) }];
}

/** Servers that stand in a harness, an agent or a session; those that are not spoken to over http are left out. */
async function ofTiers(vault: Vault, orgId: Uuid, servers: Record<string, Record<string, unknown>>): Promise<Named[]> {
  const named = Object.entries(servers).map(async ([name, server]): Promise<Named[]> => {
    const { type = 'http', url, tool_discovery } = server;
    if (type !== 'http' || typeof url !== 'string' || !URL.canParse(url) || tool_discovery === false) return [];
    const open = async () => ({ url, headers: await openedHeaders(server, { vault, orgId }) });
    // Sessions that send the same share what is known of the tools. One whose secrets do not open is told so when it asks.
    const seen = await open().then(({ headers }): unknown => headers, unreadable);
    const key = `scoped:${createHash('sha256')
      .update(JSON.stringify([url, seen]))
      .digest('hex')}`;
    return [{ ref: `${SCOPED_PREFIX}${name}`, name, key, url, open }];
  });
  return (await Promise.all(named)).flat();
}

function unreadable(error: unknown): unknown {
  if (error instanceof SecretError) return null;
  throw error;
}

async function opened(vault: Vault, orgId: Uuid, row: McpConnectionRow): Promise<{ url: string; headers: Record<string, string> }> {
  const place = (column: string) => ({ table: 'mcp_servers', column, rowId: row.id, orgId });
  const headers =
    row.headers_encrypted === null
      ? {}
      : (JSON.parse(await vault.open(place('headers_encrypted'), row.headers_encrypted)) as Record<string, string>);
  if (row.api_key_encrypted === null || row.auth_mode === 'none') return { url: row.url, headers };
  const key = await vault.open(place('api_key_encrypted'), row.api_key_encrypted);
  return { url: row.url, headers: { ...headers, authorization: `Bearer ${key}` } };
}
