import { StreamRecord } from './stream-record.ts';
import type { SeenEvent } from './stream-record.ts';

export interface SseFrame {
  event: string;
  /** The `id:` line. */
  id?: string;
  retry?: number;
  data: string;
}

/** A comment line (`: heartbeat`). */
export interface SseComment {
  comment: string;
}

/** Parses a body as server-sent events, frame by frame; ends with the body, throws when the connection breaks. */
export async function* readFrames(body: AsyncIterable<Uint8Array>): AsyncGenerator<SseFrame | SseComment> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of body) {
    rest += decoder.decode(chunk, { stream: true });
    for (let end = rest.indexOf('\n\n'); end >= 0; end = rest.indexOf('\n\n')) {
      yield parseFrame(rest.slice(0, end));
      rest = rest.slice(end + 2);
    }
  }
}

function parseFrame(text: string): SseFrame | SseComment {
  if (text.startsWith(':')) return { comment: text.slice(1).trim() };
  const frame: SseFrame = { event: 'message', data: '' };
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':');
    const value = line.slice(colon + 1).replace(/^ /, '');
    if (line.startsWith('event:')) frame.event = value;
    else if (line.startsWith('id:')) frame.id = value;
    else if (line.startsWith('retry:')) frame.retry = Number(value);
    else if (line.startsWith('data:')) frame.data += (frame.data === '' ? '' : '\n') + value;
  }
  return frame;
}

export interface SseClientOptions {
  /** Base URL with the API prefix, asked for before each connection: any instance serves any stream. */
  baseUrl: () => string;
  /** Public id. */
  sessionId: string;
  /** Query of the first connection; later ones begin at the cursor. */
  query?: Record<string, string>;
  /** Sent with every connection. */
  filter?: URLSearchParams;
  headers?: Record<string, string>;
  /** Pause after a connection that broke or was refused; doubles up to the cap, and `connected` resets it. */
  backOffMs?: { first: number; cap: number };
  onEvent?: (event: SeenEvent) => void;
  onConnected?: () => void;
}

/**
 * Follows a session the way the official SDKs do: its cursor is the id in the payload of whatever it saw last, a delta or not; after
 * `disconnecting` it comes back at once, after anything else with a back-off, for ever. What it saw is checked by its record.
 */
export class SseClient {
  readonly record = new StreamRecord();
  connections = 0;
  /** Connections that were refused or broke without `disconnecting`. */
  failures = 0;
  readonly #options: SseClientOptions;
  #connection: AbortController | null = null;
  #stopped = false;
  #wake: (() => void) | null = null;
  #backOffMs: number;
  readonly #done: Promise<void>;

  constructor(options: SseClientOptions) {
    this.#options = options;
    this.#backOffMs = options.backOffMs?.first ?? 1_000;
    this.#done = this.#run();
  }

  /** Breaks the connection, as a network does. */
  cut(): void {
    this.#connection?.abort();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.cut();
    this.#wake?.();
    await this.#done;
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const retryMs = await this.#follow().catch(() => null);
      if (retryMs === null) this.failures += 1;
      if (this.#stopped) return;
      await this.#pause(retryMs ?? this.#nextBackOff());
    }
  }

  #nextBackOff(): number {
    const current = this.#backOffMs;
    this.#backOffMs = Math.min(current * 2, this.#options.backOffMs?.cap ?? 30_000);
    return current;
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** One connection; the pause that the server asked for, or null when it ended in another way. */
  async #follow(): Promise<number | null> {
    const connection = new AbortController();
    this.#connection = connection;
    this.record.reconnected();
    this.connections += 1;
    const headers = { accept: 'text/event-stream', 'cache-control': 'no-cache', ...this.#options.headers };
    const response = await fetch(this.#url(), { headers, signal: connection.signal });
    if (response.status !== 200 || response.body === null) {
      await response.body?.cancel();
      return null;
    }
    let retryMs: number | null = null;
    for await (const frame of readFrames(response.body)) {
      if ('comment' in frame) continue;
      if (frame.event === 'connected') this.#connected();
      else if (frame.event === 'disconnecting') retryMs = (JSON.parse(frame.data) as { retry_ms: number }).retry_ms;
      else this.#take(JSON.parse(frame.data) as SeenEvent);
    }
    return retryMs;
  }

  #url(): string {
    const { baseUrl, sessionId, query, filter } = this.#options;
    const { cursor } = this.record;
    const parameters = new URLSearchParams(cursor === null ? query : { since_id: cursor });
    for (const [key, value] of filter ?? []) parameters.append(key, value);
    return `${baseUrl()}/v1/sessions/${sessionId}/sse?${parameters.toString()}`;
  }

  #connected(): void {
    this.#backOffMs = this.#options.backOffMs?.first ?? 1_000;
    this.#options.onConnected?.();
  }

  #take(event: SeenEvent): void {
    this.record.take(event);
    this.#options.onEvent?.(event);
  }
}
