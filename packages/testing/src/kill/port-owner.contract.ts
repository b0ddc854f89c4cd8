import { once } from 'node:events';
import { createConnection, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { ownerOfPort } from './port-owner.ts';

test('the process of a connection is found by its port, among those that are asked about', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = createConnection((server.address() as AddressInfo).port, '127.0.0.1');
  await once(socket, 'connect');
  const port = socket.localPort ?? 0;
  // Other systems do not say; callers then do without.
  expect(ownerOfPort(port, [1_999_999, process.pid])).toBe(process.platform === 'linux' ? process.pid : undefined);
  expect(ownerOfPort(port, [1_999_999])).toBeUndefined();
  expect(ownerOfPort(1, [process.pid])).toBeUndefined();
  socket.destroy();
  server.close();
});
