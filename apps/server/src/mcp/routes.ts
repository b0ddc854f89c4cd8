import { PlatformError, toPublicId } from '@everruns/contract';
import type { Organization } from '@everruns/contract';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Authenticate } from '../http/authenticate.ts';
import type { Caller } from '../http/caller.ts';
import type { InnerCalls } from '../http/inner-calls.ts';
import { sendProblem, toPlatformError } from '../http/problems.ts';
import type { Api } from '../http/types.ts';
import { accountTools } from './account-tools.ts';
import { createApiCaller } from './api-calls.ts';
import { operationTools } from './operation-tools.ts';
import type { OperationCatalogue } from './operations.ts';
import { sessionTools } from './session-tools.ts';
import type { RunKeys, Tool, ToolContext } from './tool.ts';

export const MCP_PATH = '/mcp';
/** Each message of a batch may be a tool call, and the whole counts once. */
const MAX_BATCH = 10;
/** From this version of the protocol on there are no batches. */
const WITHOUT_BATCHES = '2025-06-18';

export interface McpDeps {
  apiPrefix: string;
  version: string;
  /** Root of the installation, without a slash at its end. */
  publicUrl: () => string;
  /** Origins of pages that may call the API. */
  corsOrigins: readonly string[];
  /** What this endpoint accepts, which is not what the REST API does. */
  authenticate: Authenticate;
  inner: InnerCalls;
  operations: OperationCatalogue;
  runs: RunKeys;
}

/** The installation as an MCP server: streamable HTTP without sessions, each request answered by itself. */
export async function mcpRoutes(root: Api, deps: McpDeps): Promise<void> {
  const tools = allTools();
  await root.register(async (app: Api) => {
    refuse(app, deps);
    const callerOf = createApiCaller({ ...deps, app: root });
    // The calls that it makes inside are in the audit log, each as what it is.
    app.post(MCP_PATH, { schema: { hide: true }, config: { audit: 'nothing' } }, async (request, reply) => {
      const caller = await deps.authenticate(request);
      checkBatch(request);
      checkNamed(request);
      // Loaded with the first request: it takes a good part of a start's time, and few processes need it at once.
      const { answerMcp } = await import('./answer.ts');
      const server = {
        version: deps.version,
        tools,
        contextOf: (options: ContextOptions) => contextOf({ deps, callerOf, caller, request }, options),
        onHidden: (error: Error, tool: string) => request.log.error({ err: error, tool }, 'tool call failed'),
      };
      const gone = new AbortController();
      reply.raw.once('close', () => gone.abort());
      const asked = { request: webRequest(request, deps.publicUrl()), body: request.body ?? null, gone: gone.signal };
      return send(reply, await answerMcp(server, asked));
    });
  });
}

/** In the order in which clients list them. */
export function allTools(): Tool[] {
  return [...accountTools(), ...sessionTools(), ...operationTools()];
}

interface ContextOptions {
  organizationId: string | undefined;
  signal: AbortSignal;
}

interface Situation {
  deps: McpDeps;
  callerOf: ReturnType<typeof createApiCaller>;
  caller: Caller;
  request: FastifyRequest;
}

async function contextOf(
  { deps, callerOf, caller, request }: Situation,
  { organizationId: asked, signal }: ContextOptions,
): Promise<ToolContext> {
  const chosen = asked ?? (caller.orgId === null ? undefined : toPublicId('organization', caller.orgId));
  const organizationId = chosen ?? (await firstOrganization(callerOf({ request, organizationId: undefined, signal })));
  const callApi = callerOf({ request, organizationId, signal });
  return { callApi, caller, organizationId, operations: deps.operations, runs: deps.runs };
}

async function firstOrganization(callApi: ToolContext['callApi']): Promise<string | undefined> {
  const { json } = await callApi({ method: 'GET', path: '/v1/orgs' });
  return (json as { data: Organization[] }).data[0]?.id;
}

function refuse(app: Api, { publicUrl, corsOrigins }: McpDeps): void {
  app.addHook('onRequest', async ({ headers: { origin } }) => {
    // A page of another site must not reach an installation that the browser can reach and the site cannot.
    if (origin === undefined || corsOrigins.includes(origin) || origin === new URL(publicUrl()).origin) return;
    throw new PlatformError('forbidden', 'Pages of this origin may not call this endpoint.');
  });
  app.setErrorHandler((error, request, reply) => {
    const known = toPlatformError(error);
    if (known.status >= 500) request.log.error({ err: known.cause ?? known, code: known.code }, 'request failed');
    if (known.status === 401) reply.header('www-authenticate', challenge(request, publicUrl()));
    return sendProblem(reply, known);
  });
}

/** Tells clients where to get a token (RFC 9728, section 5.1). */
function challenge({ headers }: FastifyRequest, root: string): string {
  const invalid = headers.authorization === undefined ? '' : ', error="invalid_token"';
  return `Bearer realm="mcp"${invalid}, resource_metadata="${root}/.well-known/oauth-protected-resource${MCP_PATH}"`;
}

function checkBatch({ body, headers }: FastifyRequest): void {
  if (!Array.isArray(body)) return;
  const version = headers['mcp-protocol-version'];
  if (typeof version === 'string' && version >= WITHOUT_BATCHES) {
    throw new PlatformError('invalid_request', `Since ${WITHOUT_BATCHES} the protocol has no batches: send one message.`);
  }
  if (body.length === 0 || body.length > MAX_BATCH) throw new PlatformError('invalid_request', `A batch has 1 to ${MAX_BATCH} messages.`);
}

/** Headers that tell proxies what is called have to say what is called. */
function checkNamed({ body, headers }: FastifyRequest): void {
  const { method, params } = (body ?? {}) as { method?: unknown; params?: { name?: unknown; uri?: unknown } };
  const said = [
    ['mcp-method', method],
    ['mcp-name', params?.name ?? params?.uri],
  ] as const;
  for (const [name, meant] of said) {
    if (headers[name] !== undefined && headers[name] !== meant) {
      throw new PlatformError('invalid_request', `${name} is not what the body calls.`, { field: name });
    }
  }
}

function webRequest({ headers }: FastifyRequest, root: string): Request {
  const given = Object.entries(headers).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, [value].flat().join(', ')] as [string, string]],
  );
  return new Request(`${root}${MCP_PATH}`, { method: 'POST', headers: given });
}

async function send(reply: FastifyReply, answer: Response): Promise<FastifyReply> {
  const text = await answer.text();
  const type = answer.headers.get('content-type');
  reply.code(answer.status).header('cache-control', 'no-store');
  return type === null ? reply.send() : reply.type(type).send(text);
}
