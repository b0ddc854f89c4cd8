import { once } from 'node:events';
import { createConnection, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

/** A plain proxy on the connection between one worker and one server. It understands nothing, it only looks for ids that pass. */
export interface LinkProxy {
  readonly port: number;
  /** True while a connection is open on which the server has named itself: the worker is attached. */
  readonly attached: boolean;
  /** Ids that have passed on any connection, in either direction. */
  readonly ids: Set<string>;
  /** When the server last sent an id that had not passed before: something new was given to the worker. Milliseconds since the epoch, 0: never. */
  readonly assignedAtMs: number;
  /** From now on nothing that the server says reaches the worker on the connections that are open. */
  mute(): void;
  /** Breaks every open connection. */
  cut(): void;
  /** While it refuses, it breaks what is open and lets nothing new in. */
  refuse(refuses: boolean): void;
  close(): Promise<void>;
}

export const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;

export async function startLinkProxy(target: { host: string; port: number }): Promise<LinkProxy> {
  const pairs = new Set<Pair>();
  const link = new Link(pairs);
  const server = createServer({ noDelay: true }, (worker) => {
    if (link.refuses) {
      worker.destroy();
      return;
    }
    const pair = new Pair(worker, createConnection({ ...target, noDelay: true }), link);
    pairs.add(pair);
    worker.on('close', () => pairs.delete(pair));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  link.port = (server.address() as AddressInfo).port;
  link.end = async () => {
    server.close();
    await once(server, 'close');
  };
  return link;
}

class Link implements LinkProxy {
  port = 0;
  end: () => Promise<void> = async () => undefined;
  readonly ids = new Set<string>();
  assignedAtMs = 0;
  refuses = false;
  readonly #pairs: Set<Pair>;

  constructor(pairs: Set<Pair>) {
    this.#pairs = pairs;
  }

  get attached(): boolean {
    return [...this.#pairs].some((pair) => pair.attached);
  }

  mute(): void {
    for (const pair of this.#pairs) pair.mute();
  }

  cut(): void {
    for (const pair of this.#pairs) pair.cut();
  }

  refuse(refuses: boolean): void {
    this.refuses = refuses;
    if (refuses) this.cut();
  }

  async close(): Promise<void> {
    this.cut();
    await this.end();
  }
}

class Pair {
  attached = false;
  readonly #worker: Socket;
  readonly #server: Socket;
  #muted = false;

  constructor(worker: Socket, server: Socket, link: Link) {
    this.#worker = worker;
    this.#server = server;
    const toServer = new IdScanner();
    const toWorker = new IdScanner();
    worker.on('data', (bytes: Buffer) => {
      for (const id of toServer.scan(bytes)) link.ids.add(id);
      server.write(bytes);
    });
    server.on('data', (bytes: Buffer) => {
      if (this.#muted) return;
      worker.write(bytes);
      for (const id of toWorker.scan(bytes)) {
        this.attached = true;
        if (!link.ids.has(id)) link.assignedAtMs = Date.now();
        link.ids.add(id);
      }
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

/** Finds ids in a stream of bytes, also those that two chunks share. */
class IdScanner {
  #tail = '';

  scan(bytes: Buffer): string[] {
    const text = this.#tail + bytes.toString('latin1');
    const found = text.match(UUID) ?? [];
    const last = found.at(-1);
    // What was found is not found again, so the tail begins behind it.
    const rest = last === undefined ? text : text.slice(text.lastIndexOf(last) + last.length);
    this.#tail = rest.slice(-35);
    return found;
  }
}
