import { once } from 'node:events';
import { createConnection, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startLinkProxy } from './link-proxy.ts';
import type { LinkProxy } from './link-proxy.ts';

let echo: Server;
let proxy: LinkProxy;
let received: string;
let seen: string[];

beforeEach(async () => {
  received = '';
  seen = [];
  echo = createServer((socket) => {
    socket.on('error', () => undefined); // broken on purpose
    socket.pipe(socket);
  }).listen(0, '127.0.0.1');
  await once(echo, 'listening');
  proxy = await startLinkProxy({ host: '127.0.0.1', port: (echo.address() as AddressInfo).port });
  proxy.onBytes = (direction, bytes) => seen.push(`${direction} ${bytes.toString()}`);
});

afterEach(async () => {
  await proxy.close();
  echo.close();
});

async function connect(): Promise<Socket> {
  const socket = createConnection(proxy.port, '127.0.0.1');
  socket.on('data', (bytes: Buffer) => (received += bytes.toString()));
  await once(socket, 'connect');
  return socket;
}

describe('the link proxy', () => {
  it('passes bytes both ways and shows them', async () => {
    (await connect()).write('hello');
    await expect.poll(() => received).toBe('hello');
    expect(seen).toEqual(['to-server hello', 'to-worker hello']);
  });

  it('keeps back what the server says once muted, on connections that are open', async () => {
    const muted = await connect();
    muted.write('a');
    await expect.poll(() => received).toBe('a');
    proxy.mute();
    muted.write('b');
    await expect.poll(() => seen).toContain('to-server b');
    (await connect()).write('c');
    await expect.poll(() => received).toBe('ac');
  });

  it('breaks what is open when cut, and accepts the next connection', async () => {
    const first = await connect();
    first.write('a');
    await expect.poll(() => received).toBe('a');
    proxy.cut();
    await once(first, 'close');
    (await connect()).write('b');
    await expect.poll(() => received).toBe('ab');
  });
});
