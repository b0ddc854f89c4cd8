import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Json } from '@everruns/agent/model';
import { stringOf, type WireFrame, type WireReply } from './wire/reply.ts';
import { finishedResponse, responsesFrames } from './wire/responses.ts';
import { listen, stop } from './wire-simulator.ts';

export interface BackgroundSimulatorOptions {
  port?: number;
  /** Pace of the responses: one event every so often, whether anyone listens or not. */
  stepMs?: number;
  /** Streams of existing responses are refused, so that they have to be polled. */
  refusesAttach?: boolean;
}

export interface BackgroundSimulator extends AsyncDisposable {
  url: string;
  baseUrl: string;
  /** Responses that were really started: a repeated `Idempotency-Key` starts none. */
  readonly creations: number;
  readonly cancellations: readonly string[];
  /** Bodies of the requests that asked for a new response. */
  readonly requests: ReadonlyArray<Record<string, Json>>;
  script(...replies: WireReply[]): void;
  /** Stops the pace of all responses until `release`. */
  hold(): void;
  release(): void;
  /** Breaks every open connection; the responses go on. */
  cutConnections(): void;
  close(): Promise<void>;
}

type Status = 'in_progress' | 'completed' | 'incomplete' | 'failed' | 'cancelled';

interface Stored {
  id: string;
  reply: WireReply;
  frames: WireFrame[];
  final: Record<string, Json>;
  /** Events that have happened. */
  position: number;
  status: Status;
  listeners: Set<() => void>;
}

const DEFAULT_STEP_MS = 5;

/** An OpenAI Responses API that knows only background responses: they run by a clock of their own and survive their readers. */
export async function startBackgroundSimulator(options: BackgroundSimulatorOptions = {}): Promise<BackgroundSimulator> {
  const store = new Map<string, Stored>();
  const byKey = new Map<string, Stored>();
  const queue: WireReply[] = [];
  const requests: Array<Record<string, Json>> = [];
  const cancellations: string[] = [];
  let isHeld = false;

  const create = (body: Record<string, Json>, key: string | undefined): Stored => {
    requests.push(body);
    const known = key === undefined ? undefined : byKey.get(key);
    if (known !== undefined) return known;
    const stored = newResponse(queue.shift() ?? { text: 'A background answer.' }, store.size, stringOf(body['model']));
    store.set(stored.id, stored);
    if (key !== undefined) byKey.set(key, stored);
    return stored;
  };
  const cancel = (stored: Stored): void => {
    if (stored.status !== 'in_progress') return;
    stored.status = 'cancelled';
    cancellations.push(stored.id);
    announce(stored);
  };

  const server = createServer((request, response) => {
    handle(request, response).catch(() => response.destroy());
  });
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? '', 'http://simulator');
    const [id, action] = url.pathname.replace(/^.*\/responses\/?/, '').split('/');
    if (request.method === 'POST' && !id) {
      const body = JSON.parse(Buffer.concat((await request.toArray()) as Buffer[]).toString()) as Record<string, Json>;
      if (body['background'] !== true || body['store'] !== true)
        return sendError(response, 400, 'Only stored background responses exist here.');
      return stream(create(body, request.headers['idempotency-key']?.toString()), 0, response);
    }
    const stored = store.get(id ?? '');
    if (stored === undefined) return sendError(response, 404, 'No response with this id.');
    if (action === 'cancel') {
      cancel(stored);
      return sendJson(response, stateOf(stored));
    }
    if (url.searchParams.get('stream') !== 'true') return sendJson(response, stateOf(stored));
    if (options.refusesAttach === true) return sendError(response, 400, 'This response cannot be streamed.');
    const after = url.searchParams.get('starting_after');
    return stream(stored, after === null ? 0 : Number(after) + 1, response);
  };

  const clock = setInterval(() => {
    if (!isHeld) for (const stored of store.values()) step(stored);
  }, options.stepMs ?? DEFAULT_STEP_MS);
  const url = await listen(server, options.port ?? 0);
  const close = async (): Promise<void> => {
    clearInterval(clock);
    await stop(server);
  };
  return {
    url,
    baseUrl: `${url}/v1`,
    requests,
    cancellations,
    get creations() {
      return store.size;
    },
    script: (...replies) => void queue.push(...replies),
    hold: () => void (isHeld = true),
    release: () => void (isHeld = false),
    cutConnections: () => server.closeAllConnections(),
    close,
    [Symbol.asyncDispose]: close,
  };
}

function newResponse(reply: WireReply, serial: number, model: string): Stored {
  const ids = { response: `resp_bg_${serial}`, serial, model };
  const frames = reply.streamError === undefined ? responsesFrames(reply, ids) : failing(reply, ids);
  return { id: ids.response, reply, frames, final: finishedResponse(reply, ids), position: 1, status: 'in_progress', listeners: new Set() };
}

function failing(reply: WireReply, ids: { response: string; serial: number; model: string }): WireFrame[] {
  const frames = responsesFrames(reply, ids).slice(0, -1);
  const error = { code: reply.streamError?.code ?? 'server_error', message: reply.streamError?.message ?? 'The simulator refuses.' };
  const data = { type: 'response.failed', sequence_number: frames.length, response: { id: ids.response, status: 'failed', error } };
  return [...frames, { event: 'response.failed', data, isOutput: false }];
}

function step(stored: Stored): void {
  if (stored.status !== 'in_progress') return;
  stored.position += 1;
  if (stored.position === stored.frames.length) stored.status = endOf(stored);
  announce(stored);
}

function endOf({ reply }: Stored): Status {
  if (reply.streamError !== undefined) return 'failed';
  return reply.finish === 'length' ? 'incomplete' : 'completed';
}

function stateOf(stored: Stored): Record<string, Json> {
  const { id, status, final } = stored;
  if (status === 'completed' || status === 'incomplete') return final;
  const failed = (stored.frames.at(-1)?.data as { response: Record<string, Json> } | undefined)?.response;
  return { ...final, id, status, output: [], ...(status === 'failed' ? { error: failed?.['error'] ?? null } : {}) };
}

function announce(stored: Stored): void {
  for (const listener of stored.listeners) listener();
}

function stream(stored: Stored, from: number, response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  let next = from;
  const push = (): void => {
    for (; next < stored.position; next += 1) {
      const frame = stored.frames[next];
      if (frame !== undefined) response.write(`event: ${frame.event}\ndata: ${JSON.stringify(frame.data)}\n\n`);
    }
    if (stored.status !== 'in_progress') response.end();
  };
  stored.listeners.add(push);
  response.on('close', () => stored.listeners.delete(push));
  push();
}

function sendJson(response: ServerResponse, body: Json): void {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

function sendError(response: ServerResponse, status: number, message: string): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ error: { message, type: 'invalid_request_error', param: null, code: null } }));
}
