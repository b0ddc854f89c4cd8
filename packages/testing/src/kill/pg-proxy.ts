import { once } from 'node:events';
import { createConnection, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { PgConnection } from './pg-connection.ts';
import type { PgProxyHooks } from './pg-hooks.ts';

export interface PgProxy {
  readonly port: number;
  /** Where connections go from now on: a restarted server may have another port. */
  target: { host: string; port: number };
  hooks: PgProxyHooks;
  /** Breaks every open connection. */
  cutAll(): void;
  close(): Promise<void>;
}

/**
 * A proxy between one process and PostgreSQL that knows the protocol: it sees every commit before it happens and can kill, cut or
 * swallow around it. It stands outside the product, so what it counts is what really crossed the wire.
 */
export async function startPgProxy(target: { host: string; port: number }, hooks: PgProxyHooks = {}): Promise<PgProxy> {
  const open = new Set<Socket>();
  const proxy: Pick<PgProxy, 'target' | 'hooks'> = { target, hooks };
  const server: Server = createServer({ noDelay: true }, (client) => {
    const upstream = createConnection({ ...proxy.target, noDelay: true });
    const connection = new PgConnection({ client, upstream, hooks: () => proxy.hooks });
    for (const socket of [client, upstream]) {
      open.add(socket);
      socket.on('error', () => connection.cut()); // the other side hears of it as a broken connection, as without a proxy
      socket.on('close', () => {
        open.delete(socket);
        connection.ended(socket);
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return Object.assign(proxy, {
    port: (server.address() as AddressInfo).port,
    cutAll: () => {
      for (const socket of open) socket.destroy();
    },
    close: async () => {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  });
}
