import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Json } from '@everruns/agent/model';
import { anthropicFrames } from './wire/anthropic.ts';
import { chatFrames } from './wire/chat.ts';
import { errorBody, errorFrame } from './wire/failure.ts';
import { googleFrames } from './wire/google.ts';
import { issuedBy, type IssuedState, missingState } from './wire/issued-state.ts';
import { stringOf, type WireFrame, type WireIds, type WireProgress, type WireProtocol, type WireReply } from './wire/reply.ts';
import { responsesFrames } from './wire/responses.ts';

export type { WireFailure, WireProtocol, WireReply, WireThinking, WireToolCall, WireUsage } from './wire/reply.ts';

export interface WireRequest {
  protocol: WireProtocol;
  model: string;
  path: string;
  headers: Readonly<Record<string, string | string[] | undefined>>;
  body: Record<string, Json>;
  /** `aborted`: the client went away before the answer was complete. */
  outcome: 'open' | 'complete' | 'aborted';
}

export interface WireSimulatorOptions {
  port?: number;
  /** Refuses a request that repeats a tool call without the thinking state that was handed out with it. */
  requiresThinking?: boolean;
}

export interface WireSimulator extends AsyncDisposable {
  url: string;
  /** What to configure as `base_url`. */
  baseUrl(protocol: WireProtocol): string;
  /** Connections accepted so far. */
  readonly connections: number;
  /** Everything received, in order. */
  readonly requests: readonly WireRequest[];
  /** Appends answers; each serves one request. */
  script(...replies: WireReply[]): void;
  /** Answers whatever is not scripted. */
  answer(handler: (request: WireRequest) => WireReply): void;
  /** Forgets requests, scripts and handed-out state. */
  reset(): void;
  close(): Promise<void>;
}

const FLUSH_MS = 20;

const FRAMES = { responses: responsesFrames, chat: chatFrames, anthropic: anthropicFrames, google: googleFrames } as const;

/** An HTTP server that speaks the four wire protocols out of one script. For tests. */
export async function startWireSimulator(options: WireSimulatorOptions = {}): Promise<WireSimulator> {
  const requests: WireRequest[] = [];
  const queue: WireReply[] = [];
  const issued: IssuedState[] = [];
  let handler: ((request: WireRequest) => WireReply) | undefined;
  let serial = 0;
  let connections = 0;

  const answerOne = async (request: WireRequest, response: ServerResponse): Promise<void> => {
    requests.push(request);
    response.on('close', () => (request.outcome = response.writableFinished ? 'complete' : 'aborted'));
    const missing = options.requiresThinking === true ? missingState(issued, request.protocol, request.body) : undefined;
    const refusal: WireReply | undefined = missing === undefined ? undefined : { error: { status: 400, message: missing } };
    const reply = refusal ?? queue.shift() ?? handler?.(request) ?? { error: { status: 500, message: 'Nothing is scripted.' } };
    const ids: WireIds = { response: `resp_${serial}`, serial, model: request.model };
    serial += 1;
    issued.push(...issuedBy(request.protocol, reply, ids));
    await send(reply, { request, response, ids });
  };

  const server = createServer((incoming, response) => {
    readRequest(incoming)
      .then((request) => (request === undefined ? refusePath(response) : answerOne(request, response)))
      .catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined));
  });
  server.on('connection', () => (connections += 1));
  const url = await listen(server, options.port ?? 0);
  const close = (): Promise<void> => stop(server);
  return {
    url,
    baseUrl: (protocol) => (protocol === 'google' ? `${url}/v1beta` : `${url}/v1`),
    get connections() {
      return connections;
    },
    requests,
    script: (...replies) => void queue.push(...replies),
    answer: (next) => void (handler = next),
    reset() {
      for (const list of [requests, queue, issued]) list.length = 0;
      handler = undefined;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function readRequest(incoming: IncomingMessage): Promise<WireRequest | undefined> {
  const path = incoming.url ?? '';
  const chunks = await incoming.toArray();
  const google = /\/models\/([^:]+):streamGenerateContent/.exec(path)?.[1];
  const protocol = google === undefined ? protocolOf(path) : 'google';
  if (protocol === undefined || incoming.method !== 'POST') return undefined;
  const body = JSON.parse(Buffer.concat(chunks as Buffer[]).toString()) as Record<string, Json>;
  return { protocol, model: google ?? stringOf(body['model']), path, headers: incoming.headers, body, outcome: 'open' };
}

function protocolOf(path: string): WireProtocol | undefined {
  if (path.endsWith('/responses')) return 'responses';
  if (path.endsWith('/chat/completions')) return 'chat';
  return path.endsWith('/messages') ? 'anthropic' : undefined;
}

interface Answering {
  request: WireRequest;
  response: ServerResponse;
  ids: WireIds;
}

async function send(reply: WireReply, { request, response, ids }: Answering): Promise<void> {
  if (reply.stallAfter === 'request') return;
  if (reply.cutAfter === 'request') return void response.destroy();
  if (reply.error !== undefined) {
    const { status, headers, body } = reply.error;
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    return void response.end(body ?? JSON.stringify(errorBody(request.protocol, reply.error)));
  }
  if (reply.garbage !== undefined) {
    response.writeHead(200, { 'content-type': reply.garbage.contentType ?? 'text/html' });
    return void response.end(reply.garbage.body);
  }
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  response.flushHeaders();
  const { frames, ending } = planOf(reply, FRAMES[request.protocol](reply, ids), request.protocol);
  for (const frame of frames) {
    if (reply.chunkDelayMs !== undefined) await delay(reply.chunkDelayMs);
    response.write(`${frame.event === undefined ? '' : `event: ${frame.event}\n`}data: ${JSON.stringify(frame.data)}\n\n`);
  }
  switch (ending) {
    case 'complete':
      if (reply.endDelayMs !== undefined) await delay(reply.endDelayMs);
      return void response.end(request.protocol === 'chat' ? 'data: [DONE]\n\n' : '');
    case 'end':
      return void response.end();
    case 'cut':
      // What was written has to arrive before the connection breaks.
      await delay(FLUSH_MS);
      return void response.destroy();
    case 'stall':
      return;
  }
}

interface Plan {
  frames: WireFrame[];
  ending: 'complete' | 'end' | 'cut' | 'stall';
}

function planOf(reply: WireReply, frames: WireFrame[], protocol: WireProtocol): Plan {
  if (reply.streamError !== undefined) {
    return {
      frames: [...framesUntil(frames, Infinity), errorFrame(protocol, reply.streamError)],
      ending: reply.stallAfter === undefined ? 'end' : 'stall',
    };
  }
  if (reply.cutAfter !== undefined) return { frames: framesUntil(frames, reply.cutAfter), ending: 'cut' };
  if (reply.stallAfter !== undefined) return { frames: framesUntil(frames, reply.stallAfter), ending: 'stall' };
  if (reply.endAfter !== undefined) return { frames: framesUntil(frames, reply.endAfter), ending: 'end' };
  return { frames, ending: 'complete' };
}

/** The frames before the output that is no longer sent; never the last ones, which end an answer. */
function framesUntil(frames: WireFrame[], progress: WireProgress): WireFrame[] {
  if (typeof progress !== 'number') return [];
  const outputs = frames.flatMap((frame, index) => (frame.isOutput ? [index] : []));
  return frames.slice(0, outputs[progress] ?? (outputs.at(-1) ?? 0) + 1);
}

function refusePath(response: ServerResponse): void {
  response.writeHead(404, { 'content-type': 'application/json' });
  response.end('{"error":{"message":"No such path."}}');
}

export async function listen(server: Server, port: number): Promise<string> {
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

export async function stop(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise<void>((resolve) => server.close(() => resolve()));
}
