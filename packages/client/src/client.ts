import type { SessionEvent } from '@everruns/contract';
import { operations } from './api.ts';
import type { Operations } from './api.ts';
import type { components } from './generated/api.ts';
import { followSession } from './stream.ts';
import type { EventOptions, StreamSettings } from './stream.ts';
import { pause, REPEATABLE, transport } from './transport.ts';
import type { RetrySettings, TransportSettings } from './transport.ts';
import { followTurn } from './turn.ts';
import type { TurnOptions, TurnResult } from './turn.ts';

type Schemas = components['schemas'];

export interface ClientOptions {
  /** Where the API is, with its prefix, such as `https://everruns.example.com/api`. */
  baseUrl: string;
  /** A token, or whoever has a fresh one: it is asked before each request. */
  token?: string | (() => string | Promise<string>);
  /** The organization that requests are for; needed by users who are in several. */
  organization?: string;
  /** Cookies of the page are sent along when it is `include`. */
  credentials?: 'omit' | 'same-origin' | 'include';
  /** Default: 5 tries, from 200 ms to 10 s apart. */
  retry?: Partial<RetrySettings>;
  fetch?: typeof fetch;
  /** For tests. */
  clock?: Pick<TransportSettings, 'pause' | 'random'>;
}

/** What a message says: a text, or everything that the API takes. */
export type MessageInput = string | Schemas['CreateMessage'];

export interface Client {
  /** Every operation of the API. */
  readonly api: Operations;
  /** The events of a session, for ever; see `EventOptions`. */
  events(sessionId: string, options?: EventOptions): AsyncGenerator<SessionEvent>;
  /** Sends a message. Sending it again under the same `client_message_id` answers what it answered before; one is made up if none is given. */
  send(sessionId: string, message: MessageInput): Promise<Schemas['Message']>;
  /** Sends a message and follows its turn to the end. */
  runTurn(sessionId: string, message: MessageInput, options?: TurnOptions): Promise<TurnResult>;
  /** Goes on with the newest turn of a session after this program was away: what it asked of the client and nobody answered is answered now. */
  resumeTurn(sessionId: string, options?: TurnOptions): Promise<TurnResult>;
  /** Asks the running turn to end; nothing happens when none runs. */
  cancel(sessionId: string): Promise<void>;
}

const RETRY: RetrySettings = { attempts: 5, minDelayMs: 200, maxDelayMs: 10_000 };
/** As long as the official clients wait; the server says something every 30 s. */
const SILENCE_MS = 45_000;
const EVENTS_PER_PAGE = 1_000;

/** A client of one installation. It holds nothing open between calls. */
export function createClient(options: ClientOptions): Client {
  const settings = transportSettings(options);
  const baseUrl = options.baseUrl.replace(/\/+$/, '');
  const api = operations(baseUrl, transport(settings));
  const stream: StreamSettings = {
    ...settings,
    baseUrl,
    silenceMs: SILENCE_MS,
    minDelayMs: settings.retry.minDelayMs,
    maxDelayMs: settings.retry.maxDelayMs,
  };
  const follow = (sessionId: string, about: EventOptions = {}): AsyncGenerator<SessionEvent> => followSession(stream, sessionId, about);
  const send: Client['send'] = (sessionId, message) =>
    api.post('/v1/sessions/{id}/messages', {
      params: { path: { id: sessionId } },
      headers: { [REPEATABLE]: '1' },
      body: { client_message_id: crypto.randomUUID(), ...bodyOf(message) },
    }) as Promise<Schemas['Message']>;
  return {
    api,
    events: follow,
    send,
    async runTurn(sessionId, message, about = {}) {
      const sent = await send(sessionId, message);
      return followTurn({ api, follow }, { ...about, sessionId, messageId: sent.id, after: (sent.sequence ?? 1) - 1 });
    },
    async resumeTurn(sessionId, about = {}) {
      const { after, answered } = await whatIsKnown(api, sessionId);
      return followTurn({ api, follow }, { ...about, sessionId, messageId: null, after, answered });
    },
    async cancel(sessionId) {
      await api.post('/v1/sessions/{id}/cancel', { params: { path: { id: sessionId } }, headers: { [REPEATABLE]: '1' } });
    },
  };
}

function transportSettings(options: ClientOptions): TransportSettings {
  const { token, organization, credentials } = options;
  const fetcher = options.fetch ?? globalThis.fetch;
  return {
    fetch: credentials === undefined ? (input, init) => fetcher(input, init) : (input, init) => fetcher(input, { ...init, credentials }),
    headers: async () => ({
      ...(token !== undefined && { authorization: `Bearer ${typeof token === 'string' ? token : await token()}` }),
      ...(organization !== undefined && { 'x-org-id': organization }),
    }),
    retry: { ...RETRY, ...options.retry },
    pause: options.clock?.pause ?? pause,
    random: options.clock?.random ?? Math.random,
  };
}

function bodyOf(message: MessageInput): Schemas['CreateMessage'] {
  return typeof message === 'string' ? { message: { role: 'user', content: [{ type: 'text', text: message }] } } : message;
}

/** Where the newest turn begins, and which of its calls have a result. */
async function whatIsKnown(api: Operations, sessionId: string): Promise<{ after: number; answered: ReadonlySet<string> }> {
  const list = (query: object) => api.get('/v1/sessions/{id}/events', { params: { path: { id: sessionId }, query } });
  const started = (await list({ types: ['turn.started'], limit: 1 })).data[0] as unknown as SessionEvent | undefined;
  if (started?.sequence === undefined) throw new Error('The session has no turn yet.');
  const answered = new Set<string>();
  for (let after = started.sequence; ;) {
    const page = (await list({ types: ['tool.completed'], after_sequence: after, limit: EVENTS_PER_PAGE }))
      .data as unknown as SessionEvent[];
    for (const event of page) if (event.type === 'tool.completed') answered.add(event.data.tool_call_id);
    const last = page.at(-1)?.sequence;
    if (page.length < EVENTS_PER_PAGE || last === undefined) return { after: started.sequence - 1, answered };
    after = last;
  }
}
