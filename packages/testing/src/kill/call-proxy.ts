import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request that a worker sends to the world outside, complete but not yet forwarded. */
export interface OutboundCall {
  path: string;
  body: string;
  /** The caller's port: tells which process it is. */
  clientPort: number;
  /** Breaks the caller's connection. */
  cut(): void;
}

/** What happens to one call. */
export interface CallFate {
  send: 'forward' | 'drop';
  reply: 'forward' | 'swallow';
  /** Called with the number of pieces of the answer that have been passed on, after each. */
  passed?: (pieces: number) => void;
  /** The answer is complete, and has been passed on unless it is swallowed. */
  answered?: () => void;
}

export interface CallProxy {
  readonly port: number;
  onCall: ((call: OutboundCall) => Promise<CallFate>) | null;
  close(): Promise<void>;
}

const FORWARD: CallFate = { send: 'forward', reply: 'forward' };

/** A proxy on the way to the simulators: it sees each request before they do, and each piece of an answer before the caller does. */
export async function startCallProxy(target: { host: string; port: number }): Promise<CallProxy> {
  const proxy: Pick<CallProxy, 'onCall'> = { onCall: null };
  const server = createServer((incoming, outgoing) => {
    outgoing.on('error', () => undefined); // the caller was killed: nothing is left to tell
    pass(incoming, outgoing, { target, onCall: proxy.onCall }).catch(() => outgoing.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return Object.assign(proxy, {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  });
}

interface Route extends Pick<CallProxy, 'onCall'> {
  target: { host: string; port: number };
}

async function pass(incoming: IncomingMessage, outgoing: ServerResponse, { target, onCall }: Route): Promise<void> {
  const body = await bodyOf(incoming);
  const call: OutboundCall = {
    path: incoming.url ?? '/',
    body: body.toString('utf8'),
    clientPort: incoming.socket.remotePort ?? 0,
    cut: () => incoming.socket.destroy(),
  };
  const fate = onCall === null ? FORWARD : await onCall(call);
  if (fate.send === 'drop') return void incoming.socket.destroy();
  const answer = await send(incoming, body, { target, gone: outgoing });
  await relay(answer, outgoing, fate);
}

async function send(incoming: IncomingMessage, body: Buffer, to: { target: Route['target']; gone: ServerResponse }) {
  const upstream = request({ ...to.target, method: incoming.method, path: incoming.url, headers: incoming.headers, agent: false });
  upstream.on('error', () => to.gone.destroy());
  // As with a plain connection: when the caller goes away, the other side notices.
  to.gone.on('close', () => upstream.destroy());
  upstream.end(body);
  const [answer] = (await once(upstream, 'response')) as [IncomingMessage];
  return answer;
}

async function relay(answer: IncomingMessage, outgoing: ServerResponse, fate: CallFate): Promise<void> {
  const silent = fate.reply === 'swallow';
  if (!silent) outgoing.writeHead(answer.statusCode ?? 502, answer.headers).flushHeaders();
  let pieces = 0;
  for await (const piece of answer) {
    if (!silent) outgoing.write(piece);
    fate.passed?.(++pieces);
  }
  if (!silent) outgoing.end();
  fate.answered?.();
}

async function bodyOf(incoming: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of incoming) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}
