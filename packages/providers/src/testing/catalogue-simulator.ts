import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface CatalogueModel {
  id: string;
  displayName?: string;
  context?: number;
  output?: number;
}

/** How the lists are answered from now on. */
export type CatalogueAnswer =
  | { kind: 'models'; models: CatalogueModel[]; pageSize?: number }
  | { kind: 'status'; status: number; body?: string; headers?: Record<string, string> }
  /** Never answers, or never ends. */
  | { kind: 'hang' }
  | { kind: 'flood'; bytes: number }
  | { kind: 'endless pages' };

export interface CatalogueSimulator extends AsyncDisposable {
  url: string;
  /** What was asked: path with query, and the key that came along. */
  readonly requests: readonly { path: string; key: string | undefined }[];
  answer(next: CatalogueAnswer): void;
}

/** The model lists of OpenAI (`/v1/models`), Anthropic (the same path, told apart by its header) and Gemini (`/v1beta/models`). For tests. */
export async function startCatalogueSimulator(keys: readonly string[] = ['test-key']): Promise<CatalogueSimulator> {
  const requests: { path: string; key: string | undefined }[] = [];
  let answer: CatalogueAnswer = { kind: 'models', models: [] };
  const server = createServer((request, response) => {
    const key = keyOf(request);
    requests.push({ path: request.url ?? '', key });
    if (key === undefined || !keys.includes(key))
      return send(response, 401, { error: { message: 'Invalid API key.', code: 'invalid_api_key' } });
    respond(answer, request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    answer: (next) => void (answer = next),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function keyOf({ headers }: IncomingMessage): string | undefined {
  const plain = headers['x-api-key'] ?? headers['x-goog-api-key'];
  return typeof plain === 'string' ? plain : headers.authorization?.replace(/^Bearer /, '');
}

function respond(answer: CatalogueAnswer, request: IncomingMessage, response: ServerResponse): void {
  switch (answer.kind) {
    case 'models':
      return send(response, 200, pageOf(answer, request));
    case 'status':
      response.writeHead(answer.status, answer.headers);
      return void response.end(answer.body ?? '');
    case 'hang':
      return;
    case 'flood':
      return flood(response, answer.bytes);
    case 'endless pages': {
      const models = [{ id: `m-${Math.random()}` }];
      return send(response, 200, { ...wire(models, request, true), last_id: models[0]?.id, nextPageToken: models[0]?.id });
    }
  }
}

function pageOf({ models, pageSize = 1_000 }: CatalogueAnswer & { kind: 'models' }, request: IncomingMessage): Record<string, unknown> {
  const query = new URL(request.url ?? '', 'http://x').searchParams;
  const after = query.get('after_id') ?? query.get('pageToken');
  const from = after === null ? 0 : models.findIndex(({ id }) => id === after) + 1;
  const page = models.slice(from, from + pageSize);
  return wire(page, request, from + pageSize < models.length);
}

function wire(models: readonly CatalogueModel[], request: IncomingMessage, more: boolean): Record<string, unknown> {
  const last = models.at(-1)?.id ?? null;
  if (request.headers['x-goog-api-key'] !== undefined) {
    const list = models.map(({ id, displayName, context, output }) => ({
      name: `models/${id}`,
      displayName,
      inputTokenLimit: context,
      outputTokenLimit: output,
      supportedGenerationMethods: id.includes('embedding') ? ['embedContent'] : ['generateContent', 'countTokens'],
    }));
    return { models: list, ...(more ? { nextPageToken: last } : {}) };
  }
  if (request.headers['x-api-key'] === undefined) return { object: 'list', data: models.map(({ id }) => ({ id, object: 'model' })) };
  const data = models.map(({ id, displayName }) => ({ type: 'model', id, display_name: displayName ?? id }));
  return { data, has_more: more, first_id: data[0]?.id ?? null, last_id: last };
}

function flood(response: ServerResponse, bytes: number): void {
  response.writeHead(200, { 'content-type': 'application/json' });
  const chunk = Buffer.alloc(64 * 1024, 0x20);
  let sent = 0;
  const more = (): void => {
    while (sent < bytes && !response.destroyed) {
      sent += chunk.length;
      if (!response.write(chunk)) return void response.once('drain', more);
    }
    response.end('{}');
  };
  more();
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}
