import { once } from 'node:events';
import { createConnection, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startLinkProxy } from './link-proxy.ts';
import type { LinkProxy } from './link-proxy.ts';

const ID = '01933b5a-0000-7000-8000-0000000000aa';
const OTHER = '01933b5a-0000-7000-8000-0000000000bb';

let echo: Server;
let link: LinkProxy;
let received: string;

beforeEach(async () => {
  received = '';
  echo = createServer((socket) => {
    socket.on('error', () => undefined); // broken on purpose
    socket.pipe(socket);
  }).listen(0, '127.0.0.1');
  await once(echo, 'listening');
  link = await startLinkProxy({ host: '127.0.0.1', port: (echo.address() as AddressInfo).port });
});

afterEach(async () => {
  await link.close();
  echo.close();
});

async function connect(): Promise<Socket> {
  const socket = createConnection({ port: link.port, host: '127.0.0.1', noDelay: true });
  socket.on('data', (bytes: Buffer) => (received += bytes.toString()));
  await once(socket, 'connect');
  return socket;
}

describe('the link proxy', () => {
  it('passes bytes both ways and notes each id once, wherever the chunks are cut', async () => {
    const socket = await connect();
    expect(link.attached).toBe(false);
    const text = `x${ID}y${OTHER}z`;
    for (let at = 0; at < text.length; at += 20) {
      socket.write(text.slice(at, at + 20));
      await expect.poll(() => received).toBe(text.slice(0, at + 20));
    }
    expect([...link.ids]).toEqual([ID, OTHER]);
    expect(link.assignedAtMs).toBe(0); // echoed: nothing that the server said first
    expect(link.attached).toBe(true);
  });

  it('keeps back what the server says once muted, on connections that are open', async () => {
    const muted = await connect();
    muted.write('a');
    await expect.poll(() => received).toBe('a');
    link.mute();
    muted.write(ID);
    await expect.poll(() => link.ids.size).toBe(1);
    (await connect()).write('c');
    await expect.poll(() => received).toBe('ac');
  });

  it('lets nobody in while it refuses', async () => {
    const first = await connect();
    link.refuse(true);
    await once(first, 'close');
    await once(await connect(), 'close');
    link.refuse(false);
    (await connect()).write('d');
    await expect.poll(() => received).toBe('d');
  });

  it('breaks what is open when cut, and accepts the next connection', async () => {
    const first = await connect();
    first.write(ID);
    await expect.poll(() => link.attached).toBe(true);
    link.cut();
    await once(first, 'close');
    await expect.poll(() => link.attached).toBe(false);
    (await connect()).write('b');
    await expect.poll(() => received).toBe(`${ID}b`);
  });
});
