import { once } from 'node:events';
import { createConnection, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

/** A plain proxy on the connection between one worker and its server. It understands nothing, it only looks for ids that pass. */
export interface LinkProxy {
  readonly port: number;
  /** Where connections go: another port after the server was restarted elsewhere. */
  target: { host: string; port: number };
  /** Bytes on their way, in pieces as they come. */
  onBytes: ((direction: 'to-server' | 'to-worker', bytes: Buffer) => void) | null;
  /** From now on nothing that the server says reaches the worker on the connections that are open. */
  mute(): void;
  /** Breaks every open connection. */
  cut(): void;
  close(): Promise<void>;
}

export async function startLinkProxy(target: { host: string; port: number }): Promise<LinkProxy> {
  const pairs = new Set<Pair>();
  const proxy: Pick<LinkProxy, 'target' | 'onBytes'> = { target, onBytes: null };
  const server = createServer({ noDelay: true }, (worker) => {
    const pair = new Pair(worker, createConnection({ ...proxy.target, noDelay: true }), (direction, bytes) =>
      proxy.onBytes?.(direction, bytes),
    );
    pairs.add(pair);
    worker.on('close', () => pairs.delete(pair));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const cut = (): void => {
    for (const pair of pairs) pair.cut();
  };
  return Object.assign(proxy, {
    port: (server.address() as AddressInfo).port,
    mute: () => {
      for (const pair of pairs) pair.mute();
    },
    cut,
    close: async () => {
      cut();
      server.close();
      await once(server, 'close');
    },
  });
}

class Pair {
  readonly #worker: Socket;
  readonly #server: Socket;
  #muted = false;

  constructor(worker: Socket, server: Socket, watch: (direction: 'to-server' | 'to-worker', bytes: Buffer) => void) {
    this.#worker = worker;
    this.#server = server;
    worker.on('data', (bytes: Buffer) => {
      watch('to-server', bytes);
      server.write(bytes);
    });
    server.on('data', (bytes: Buffer) => {
      if (this.#muted) return;
      watch('to-worker', bytes);
      worker.write(bytes);
    });
    for (const socket of [worker, server]) {
      socket.on('error', () => this.cut()); // passed on as a broken connection
      socket.on('close', () => this.cut());
    }
  }

  mute(): void {
    this.#muted = true;
  }

  cut(): void {
    this.#worker.destroy();
    this.#server.destroy();
  }
}
