import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface RpcRequest {
  jsonrpc: '2.0';
  id?: number | string;
  method: string;
  params?: { name?: string; arguments?: Record<string, unknown>; _meta?: Record<string, unknown>; cursor?: string };
}

export interface RpcContext {
  request: IncomingMessage;
  response: ServerResponse;
  /** Sends a result in the usual way. */
  reply: (result: object) => void;
}

/** Answers one method; what is not here is answered as a well-behaved server without a session does. */
export type RpcHandlers = Record<string, (message: RpcRequest, context: RpcContext) => void>;

export interface LocalServer {
  url: string;
  seen: { message: RpcRequest; headers: IncomingMessage['headers'] }[];
  stop(): Promise<void>;
}

/** A small MCP server whose every answer can be replaced by a hostile one. */
export async function startLocalServer(handlers: RpcHandlers = {}): Promise<LocalServer> {
  const seen: LocalServer['seen'] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      if (request.method !== 'POST') return void response.writeHead(405).end();
      const message = JSON.parse(body) as RpcRequest;
      seen.push({ message, headers: request.headers });
      const reply = (result: object) => {
        response.writeHead(200, { 'content-type': 'application/json' });
        response.end(JSON.stringify({ jsonrpc: '2.0', id: message.id, result }));
      };
      const handler = handlers[message.method];
      if (handler !== undefined) return handler(message, { request, response, reply });
      if (message.id === undefined) return void response.writeHead(202).end();
      return reply(usual(message));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`,
    seen,
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const EMPTY_SCHEMA = { type: 'object', properties: {} };

function usual({ method, params }: RpcRequest): object {
  switch (method) {
    case 'initialize':
      return { protocolVersion: '2025-06-18', capabilities: { tools: {} }, serverInfo: { name: 'local', version: '1' } };
    case 'tools/list':
      return {
        tools: [
          { name: 'look', description: 'Looks', inputSchema: EMPTY_SCHEMA, annotations: { readOnlyHint: true } },
          { name: 'book', description: 'Books', inputSchema: EMPTY_SCHEMA },
        ],
      };
    case 'tools/call':
      return { content: [{ type: 'text', text: `did ${params?.name ?? ''}` }] };
    default:
      return {};
  }
}
