import type pg from 'pg';
import type { Queryable, Row, Statement } from '../database.ts';

/** One connection outside the pool that comes back by itself. Statements run one after the other, in the order of the calls. */
export interface StandingConnection extends Queryable {
  /** Called each time the connection is there, the first time too, after `onConnect` of the options. */
  onOpened(listener: () => void): () => void;
  readonly connected: boolean;
  /** Settles when the connection is there. */
  opened(): Promise<void>;
  /** Asks the server for an answer; a connection that gives none within the time-out is replaced. */
  probe(): void;
  close(): Promise<void>;
}

export interface StandingConnectionOptions {
  open: () => Promise<pg.Client>;
  /** Runs on each new connection before anything else (LISTEN). */
  onConnect?: (client: pg.Client) => Promise<void>;
  onError?: (error: unknown) => void;
  /** A statement without an answer for this long means that the connection is dead. */
  timeoutMs?: number;
  /** First pause before another attempt to connect; doubles up to `RETRY_CAP_MS`. */
  retryMs?: number;
}

const TIMEOUT_MS = 5_000;
const RETRY_MS = 50;
const RETRY_CAP_MS = 1_000;

/** Thrown for a statement while there is no connection: nothing was sent. */
export class NotConnectedError extends Error {
  override readonly name = 'NotConnectedError';
}

export function keepConnected(options: StandingConnectionOptions): StandingConnection {
  return new Standing(options);
}

class Standing implements StandingConnection {
  readonly #options: StandingConnectionOptions;
  readonly #timeoutMs: number;
  readonly #listeners = new Set<() => void>();
  readonly #waiting: { resolve: () => void; reject: (error: Error) => void }[] = [];
  #client: pg.Client | null = null;
  #retry: NodeJS.Timeout | null = null;
  #retryMs: number;
  #connecting: Promise<void> | null = null;
  #closed = false;
  #probing = false;

  constructor(options: StandingConnectionOptions) {
    this.#options = options;
    this.#timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
    this.#retryMs = options.retryMs ?? RETRY_MS;
    this.#connect();
  }

  get connected(): boolean {
    return this.#client !== null;
  }

  async run<R extends Row = Row>(statement: Statement, values: readonly unknown[] = []): Promise<R[]> {
    const client = this.#client;
    if (client === null) throw new NotConnectedError('There is no connection to the database.');
    const timer = setTimeout(
      () => this.#lose(client, new Error(`No answer to ${statement.name} within ${this.#timeoutMs} ms.`)),
      this.#timeoutMs,
    );
    try {
      return (await client.query<R>({ name: statement.name, text: statement.text, values: values as unknown[] })).rows;
    } finally {
      clearTimeout(timer);
    }
  }

  async opened(): Promise<void> {
    if (this.#client !== null) return;
    if (this.#closed) throw new NotConnectedError('The connection to the database was closed.');
    await new Promise<void>((resolve, reject) => void this.#waiting.push({ resolve, reject }));
  }

  onOpened(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  probe(): void {
    if (this.#probing || this.#client === null) return;
    this.#probing = true;
    this.run({ name: 'probe', text: 'select 1' })
      .catch(() => undefined) // a lost connection is noticed and replaced elsewhere
      .finally(() => {
        this.#probing = false;
      });
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const { reject } of this.#waiting.splice(0)) reject(new NotConnectedError('The connection to the database was closed.'));
    if (this.#retry !== null) clearTimeout(this.#retry);
    await this.#connecting;
    const client = this.#client;
    this.#client = null;
    await client?.end().catch(() => undefined); // it is gone either way
  }

  #connect(): void {
    this.#retry = null;
    this.#connecting = this.#open()
      .catch((error: unknown) => {
        this.#options.onError?.(error);
        this.#retryLater();
      })
      .finally(() => {
        this.#connecting = null;
      });
  }

  async #open(): Promise<void> {
    const client = await this.#options.open();
    client.on('end', () => this.#lose(client, null));
    client.on('error', (error) => this.#lose(client, error));
    try {
      await this.#options.onConnect?.(client);
    } catch (error) {
      client.end().catch(() => undefined); // the first error says it all
      throw error;
    }
    if (this.#closed) return client.end();
    this.#client = client;
    this.#retryMs = this.#options.retryMs ?? RETRY_MS;
    for (const { resolve } of this.#waiting.splice(0)) resolve();
    for (const listener of this.#listeners) listener();
  }

  /** The connection broke or does not answer: whatever waits on it fails, and a new one is opened. */
  #lose(client: pg.Client, error: unknown): void {
    if (this.#client !== client) return;
    this.#client = null;
    if (error !== null && !this.#closed) this.#options.onError?.(error);
    client.connection.stream.destroy();
    this.#retryLater();
  }

  #retryLater(): void {
    if (this.#closed || this.#retry !== null) return;
    this.#retry = setTimeout(() => this.#connect(), this.#retryMs);
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_CAP_MS);
  }
}
