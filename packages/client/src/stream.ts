import type { EventType, SessionEvent } from '@everruns/contract';
import { createParser } from 'eventsource-parser';
import type { EventSourceMessage } from 'eventsource-parser';
import { ApiError, ConnectionError, errorOf, NotFoundError } from './errors.ts';
import type { TransportSettings } from './transport.ts';

export interface EventOptions {
  /**
   * Where to begin: behind the event of this id or sequence, with `'start'` at the beginning of the log, with `'now'` at its end. Default:
   * with the last message of a user, so that what its turn has done so far comes first.
   */
  after?: string | number;
  /** Only these. */
  types?: readonly EventType[];
  /** All but these. */
  exclude?: readonly EventType[];
  /** Ends the iteration with its reason. */
  signal?: AbortSignal;
  /** Called when the connection is lost and taken up again. */
  onReconnect?: (reason: 'cycled' | 'lost' | 'silent') => void;
}

export interface StreamSettings extends Pick<TransportSettings, 'fetch' | 'headers' | 'pause' | 'random'> {
  baseUrl: string;
  /** Silence after which a connection counts as lost; the server says something every 30 s. */
  silenceMs: number;
  minDelayMs: number;
  maxDelayMs: number;
}

/**
 * The events of a session, for ever: through cycling, lost connections and sleeping machines, each durable one exactly once and in
 * order. Throws an `ApiError` for what waiting cannot mend (not there, not allowed, a cursor that is too old).
 */
export async function* followSession(
  settings: StreamSettings,
  sessionId: string,
  options: EventOptions = {},
): AsyncGenerator<SessionEvent> {
  const reader = new LogReader(options.after);
  for (let failures = 0; ;) {
    options.signal?.throwIfAborted();
    const connection = new Connection(settings, options.signal);
    try {
      const url = addressOf(settings.baseUrl, sessionId, { ...options, cursor: reader.cursor });
      for await (const message of connection.messages(url)) {
        failures = 0;
        const event = reader.read(message);
        if (event !== null) yield event;
      }
    } catch (error) {
      options.signal?.throwIfAborted();
      if (isFinal(error)) throw error;
      failures++;
    } finally {
      connection.close();
    }
    options.onReconnect?.(connection.end);
    const backOff = Math.min(settings.maxDelayMs, settings.minDelayMs * 2 ** Math.max(0, failures - 1)) * (0.5 + settings.random() / 2);
    await settings.pause(failures === 0 ? connection.retryMs : backOff, options.signal);
  }
}

/** What another try will not change. A refusal by rate or by the number of streams passes. */
function isFinal(error: unknown): boolean {
  if (error instanceof NotFoundError) return true;
  return error instanceof ApiError && error.status < 500 && error.status !== 429 && error.status !== 408;
}

interface Query extends EventOptions {
  cursor: readonly [name: string, value: string] | null;
}

function addressOf(baseUrl: string, sessionId: string, { cursor, types = [], exclude = [] }: Query): string {
  const query = new URLSearchParams(cursor === null ? [] : [[...cursor]]);
  for (const type of types) query.append('types', type);
  for (const type of exclude) query.append('exclude', type);
  const text = query.toString();
  return `${baseUrl}/v1/sessions/${encodeURIComponent(sessionId)}/sse${text === '' ? '' : `?${text}`}`;
}

/** Remembers how far the log has been read, and lets nothing through twice. */
class LogReader {
  #cursor: readonly [string, string] | null;
  #sequence = 0;

  constructor(after: EventOptions['after']) {
    this.#cursor = startOf(after);
  }

  get cursor(): readonly [string, string] | null {
    return this.#cursor;
  }

  read({ data }: EventSourceMessage): SessionEvent | null {
    const event = parsed(data);
    if (event === null) return null;
    this.#cursor = ['since_id', event.id];
    if (event.sequence === undefined) return event;
    if (event.sequence <= this.#sequence) return null;
    this.#sequence = event.sequence;
    return event;
  }
}

function startOf(after: EventOptions['after']): readonly [string, string] | null {
  if (after === undefined) return null;
  if (after === 'start') return ['after_sequence', '0'];
  if (after === 'now') return ['live', 'true'];
  return typeof after === 'number' ? ['after_sequence', String(after)] : ['since_id', after];
}

/** Types that this version does not know are passed on as well: whoever asks by `type` does not see them. */
function parsed(data: string): SessionEvent | null {
  try {
    const event = JSON.parse(data) as Partial<SessionEvent> | null;
    return typeof event?.id === 'string' && typeof event.type === 'string' ? (event as SessionEvent) : null;
  } catch {
    return null;
  }
}

const CONTROL: ReadonlySet<string | undefined> = new Set(['connected', 'disconnecting']);
const DEFAULT_RETRY_MS = 100;

/** One connection. It ends by itself when the server says so, and by an error when it breaks or falls silent. */
class Connection {
  readonly #settings: StreamSettings;
  readonly #abort = new AbortController();
  readonly #outer: AbortSignal | undefined;
  #watch: ReturnType<typeof setTimeout> | undefined;
  retryMs = DEFAULT_RETRY_MS;
  end: 'cycled' | 'lost' | 'silent' = 'lost';

  constructor(settings: StreamSettings, outer: AbortSignal | undefined) {
    this.#settings = settings;
    this.#outer = outer;
    outer?.addEventListener('abort', this.#stop, { once: true });
  }

  readonly #stop = (): void => this.#abort.abort(this.#outer?.reason);

  async *messages(url: string): AsyncGenerator<EventSourceMessage> {
    this.#heard();
    const body = await this.#open(url);
    const queue: EventSourceMessage[] = [];
    const parser = createParser({ onEvent: (message) => void queue.push(message) });
    const decoder = new TextDecoder();
    for (const reader = body.getReader(); ;) {
      const { done, value } = await reader.read();
      if (done) throw new ConnectionError('The stream ended without a word.');
      this.#heard();
      parser.feed(decoder.decode(value, { stream: true }));
      for (const message of queue.splice(0)) {
        if (!CONTROL.has(message.event)) yield message;
        else if (message.event === 'disconnecting') return this.#cycled(message.data);
      }
    }
  }

  async #open(url: string): Promise<ReadableStream<Uint8Array>> {
    const headers = { ...(await this.#settings.headers()), accept: 'text/event-stream', 'cache-control': 'no-cache' };
    const answer = await this.#settings.fetch(url, { headers, signal: this.#abort.signal }).catch((cause: unknown) => {
      throw new ConnectionError('The stream could not be opened.', { cause });
    });
    if (!answer.ok) throw await errorOf(answer);
    if (answer.body === null) throw new ConnectionError('The stream has no body.');
    return answer.body;
  }

  #cycled(data: string): void {
    this.end = 'cycled';
    const told = (parsedOrEmpty(data)['retry_ms'] ?? DEFAULT_RETRY_MS) as number;
    if (Number.isFinite(told)) this.retryMs = told;
  }

  /** Anything that comes shows that somebody is there. */
  #heard(): void {
    clearTimeout(this.#watch);
    this.#watch = setTimeout(() => {
      this.end = 'silent';
      this.#abort.abort(new ConnectionError('Nothing was heard for too long.'));
    }, this.#settings.silenceMs);
  }

  close(): void {
    clearTimeout(this.#watch);
    this.#outer?.removeEventListener('abort', this.#stop);
    this.#abort.abort();
  }
}

function parsedOrEmpty(data: string): Record<string, unknown> {
  try {
    return JSON.parse(data) as Record<string, unknown>;
  } catch {
    return {};
  }
}
