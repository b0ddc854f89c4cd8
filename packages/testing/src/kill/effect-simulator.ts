import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** Something that a tool did to the world. It counts from the moment the request is complete, whether or not anybody hears the answer. */
export interface Effect {
  effectId: string;
  /** Milliseconds since the epoch. */
  at: number;
  /** What the tool sent as its key against repeats. */
  idempotencyKey: string | null;
}

export interface EffectSimulator {
  readonly port: number;
  readonly effects: Effect[];
  onEffect: ((effect: Effect) => void) | null;
  close(): Promise<void>;
}

/** The world that tools act on: `POST /effects?delay_ms=n` with `{effect_id}` writes the effect down, then answers after the delay. */
export async function startEffectSimulator(): Promise<EffectSimulator> {
  const state: Pick<EffectSimulator, 'effects' | 'onEffect'> = { effects: [], onEffect: null };
  const server = createServer((incoming, outgoing) => {
    outgoing.on('error', () => undefined); // the caller has gone
    act(incoming, outgoing, state).catch((error: unknown) => outgoing.writeHead(400).end(String(error)));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return Object.assign(state, {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  });
}

async function act(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  state: Pick<EffectSimulator, 'effects' | 'onEffect'>,
): Promise<void> {
  const pieces: Buffer[] = [];
  for await (const piece of incoming) pieces.push(piece as Buffer);
  const { effect_id: effectId } = JSON.parse(Buffer.concat(pieces).toString('utf8')) as { effect_id: string };
  const key = incoming.headers['idempotency-key'];
  const effect: Effect = { effectId, at: Date.now(), idempotencyKey: typeof key === 'string' ? key : null };
  state.effects.push(effect);
  state.onEffect?.(effect);
  const delayMs = Number(new URL(incoming.url ?? '/', 'http://effects').searchParams.get('delay_ms') ?? 0);
  await sleep(delayMs);
  outgoing.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ effect_id: effectId, done: true }));
}
