import { createIdSource, DEFAULT_ORG_ID } from '@everruns/contract';
import type { DurableEvent, Uuid } from '@everruns/contract';
import { openDatabase } from '@everruns/storage';
import Fastify from 'fastify';
import { Instance } from '../../turns/instance.ts';
import { DEFAULT_STREAM_CONFIG } from '../port.ts';
import type { TextDelta } from '../port.ts';
import { createStreams } from '../streams.ts';

/**
 * One control-plane instance with nothing but its streams and its beat, as a process that can be killed. Its parent plays the engine: it
 * tells what was committed and what a worker writes. Arguments: database URL.
 */
export type InstanceMessage = { kind: 'committed'; sessionId: Uuid; events: DurableEvent[] } | { kind: 'delta'; delta: TextDelta };

async function main(url: string): Promise<void> {
  const db = openDatabase({ url, poolSize: 4 });
  const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const instance: Instance = new Instance({
    db,
    newId: () => ids.next(),
    versions: {},
    address: '',
    sole: false,
    log: quiet,
    onBeat: () => Promise.resolve(),
    onReborn: () => undefined,
    onPaused: () => undefined,
  });
  const streams = createStreams({
    db,
    openDedicated: () => db.dedicated(),
    peers: instance,
    config: { ...DEFAULT_STREAM_CONFIG, perSessionMax: 0, cycleMs: 2_000, ringEvents: 32 },
    log: quiet,
    clock: {
      nowMs: () => performance.now(),
      date: () => new Date(),
      after: (delayMs, callback) => {
        const timer = setTimeout(callback, delayMs);
        return () => clearTimeout(timer);
      },
    },
  });
  const app = Fastify();
  await app.register(streams.routes, { prefix: '/api', scopeOf: () => ({ orgId: DEFAULT_ORG_ID }) });
  process.on('message', (message: InstanceMessage) => {
    if (message.kind === 'committed') streams.feed.committed(message.sessionId, message.events);
    else streams.feed.delta(message.delta);
  });
  process.on('disconnect', () => process.exit(0));
  await app.listen({ port: 0, host: '127.0.0.1' });
  await streams.listening();
  await instance.start();
  process.send?.({ port: (app.server.address() as { port: number }).port });
}

const ids = createIdSource();
await main(process.argv[2] as string);
