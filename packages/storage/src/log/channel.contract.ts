import { createBus, postgresTransport } from '@everruns/bus';
import { busSuite } from '@everruns/bus/bus.suite';
import { testDatabase } from '@everruns/testing/postgres';
import type { TestDatabase } from '@everruns/testing/postgres';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openDatabase } from '../database.ts';
import type { Database } from '../database.ts';
import { openNotificationChannel } from './channel.ts';
import type { NotificationChannel } from './channel.ts';

let database: TestDatabase;
let db: Database;

beforeAll(async () => {
  database = await testDatabase();
  db = openDatabase({ ...database.settings, poolSize: 2 });
});

afterAll(async () => {
  await db.close();
  await database.drop();
});

async function listening(): Promise<NotificationChannel> {
  const channel = openNotificationChannel({ open: () => db.dedicated() });
  if (!channel.connected) await new Promise<void>((resolve) => void channel.onOpened(resolve));
  return channel;
}

async function terminateChannels(): Promise<void> {
  await db.run({
    name: 'kill',
    text: `select pg_terminate_backend(pid) from pg_stat_activity where query ilike 'listen %' or query ilike '%pg_notify%' and pid <> pg_backend_pid()`,
  });
}

busSuite('PostgreSQL', async () => ({
  join: async () => postgresTransport(await listening()),
  close: async () => undefined,
}));

it('comes back after its connection was killed, and says that hints were missed', async () => {
  const [first, second] = [await listening(), await listening()];
  const errors: unknown[] = [];
  const sender = createBus({
    instanceId: () => '00000000-0000-7000-8000-000000000001',
    transport: postgresTransport(first),
    onError: (error) => errors.push(error),
  });
  const receiver = createBus({ instanceId: () => '00000000-0000-7000-8000-000000000002', transport: postgresTransport(second) });
  const numbers: number[] = [];
  let missed = 0;
  receiver.onHint((hint) => numbers.push(hint.n));
  receiver.onMissed(() => void missed++);
  sender.publish({});
  await expect.poll(() => numbers).toEqual([1]);
  await terminateChannels();
  await expect.poll(() => first.connected || second.connected).toBe(false);
  sender.publish({ pools: ['tool'] });
  await expect.poll(() => errors.length).toBeGreaterThan(0);
  await expect.poll(() => first.connected && second.connected).toBe(true);
  expect(missed).toBeGreaterThan(1);
  sender.publish({ pools: ['tool'] });
  await expect.poll(() => numbers.at(-1)).toBeGreaterThan(2);
  await Promise.all([sender.close(), receiver.close()]);
});

it('replaces a connection that gives no answer', async () => {
  const channel = openNotificationChannel({
    timeoutMs: 100,
    open: async () => {
      const client = await db.dedicated();
      opened.push(client);
      return client;
    },
  });
  const opened: { connection: { stream: { pause(): void } } }[] = [];
  await expect.poll(() => channel.connected).toBe(true);
  opened[0]?.connection.stream.pause(); // the peer is silent, the socket stays open
  channel.probe();
  await expect.poll(() => opened.length).toBe(2);
  await expect.poll(() => channel.connected).toBe(true);
  await channel.notify('x');
  await channel.close();
});
