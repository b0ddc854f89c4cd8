import type pg from 'pg';
import type { Statement } from '../database.ts';
import { keepConnected } from './connection.ts';

/** Notifications on one channel, sent and heard over a single connection that comes back by itself. */
export interface NotificationChannel {
  /** Rejects when the notification may not have been sent. */
  notify(payload: string): Promise<void>;
  listen(listener: (payload: string) => void): () => void;
  /** Called whenever the channel listens, the first time too: what was sent before is not heard. */
  onOpened(listener: () => void): () => void;
  readonly connected: boolean;
  probe(): void;
  close(): Promise<void>;
}

const NOTIFY: Statement = { name: 'notify', text: 'select pg_notify($1, $2)' };
const CHANNEL = 'everruns_hints';

export interface ChannelOptions {
  /** A direct connection: LISTEN does not survive a pooler. */
  open: () => Promise<pg.Client>;
  onError?: (error: unknown) => void;
  timeoutMs?: number;
}

export function openNotificationChannel(options: ChannelOptions): NotificationChannel {
  const listeners = new Set<(payload: string) => void>();
  const connection = keepConnected({
    ...options,
    async onConnect(client) {
      client.on('notification', (message) => {
        if (message.channel !== CHANNEL || message.payload === undefined) return;
        for (const listener of listeners) listener(message.payload);
      });
      await client.query(`listen ${CHANNEL}`);
    },
  });
  return {
    async notify(payload) {
      await connection.run(NOTIFY, [CHANNEL, payload]);
    },
    listen(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    onOpened: (listener) => connection.onOpened(listener),
    get connected() {
      return connection.connected;
    },
    probe: () => connection.probe(),
    close: () => connection.close(),
  };
}
