import { WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js';
import { createMcpServer } from './server.ts';
import type { McpServerDeps } from './server.ts';

export interface McpRequest {
  request: Request;
  /** Parsed; null when there is none. */
  body: unknown;
  /** The client does not wait any more. */
  gone: AbortSignal;
}

/** One request to a server of its own, answered as JSON; nothing is left of it. */
export async function answerMcp(deps: McpServerDeps, { request, body, gone }: McpRequest): Promise<Response> {
  const server = createMcpServer(deps);
  const transport = new WebStandardStreamableHTTPServerTransport({ enableJsonResponse: true });
  await server.connect(transport);
  gone.addEventListener('abort', () => void server.close());
  return transport.handleRequest(request, { parsedBody: body });
}
