import type * as Undici from 'undici';
import type { NetworkAccess } from './access-list.ts';
import { limitStream } from './body.ts';
import { checkUrl } from './check.ts';
import { guardedConnector, resolveBySystem, type Resolve } from './connect.ts';
import type { EgressAllow, EgressClass } from './egress-allow.ts';
import { OutboundError, outboundErrorOf, refused } from './errors.ts';
import { isRedirect, nextHop, type Hop, type RedirectMode } from './redirects.ts';

/** The one way out: every request that somebody else can aim goes through it. */
export interface Outbound {
  /** A `fetch` of one class and for one purpose; what it may do is fixed here, not by its callers. */
  fetch(policy: OutboundPolicy): typeof globalThis.fetch;
  /** Ends the connections that are kept open. */
  close(): Promise<void>;
}

export interface OutboundPolicy {
  kind: EgressClass;
  /** The hosts that a session may reach; all when absent. */
  access?: NetworkAccess | undefined;
  /** Default `manual`. A caller may narrow it to `manual` with the `redirect` of its request. */
  redirects?: RedirectMode;
  /** Milliseconds to the head of the answer, for each redirect anew; default 300,000. */
  firstByteMs?: number;
  /** Milliseconds to the end of the body; no limit when absent. */
  totalMs?: number;
  /** Bytes of a body after decompression; no limit when absent. */
  maxBytes?: number;
}

export interface OutboundOptions {
  allow: EgressAllow;
  resolve?: Resolve;
  /** Milliseconds for a connection; default 10,000. */
  connectTimeoutMs?: number;
}

type Library = typeof Undici;

const MAX_REDIRECTS = 10;
const FIRST_BYTE_MS = 300_000;
const CONNECT_MS = 10_000;
const BODY_SILENCE_MS = 300_000;

/** Nothing is loaded and nothing connects before the first request. Proxies of the environment are not used. */
export function createOutbound(options: OutboundOptions): Outbound {
  const agents = new Map<EgressClass, Undici.Agent>();
  let loading: Promise<Library> | null = null;
  const load = () => (loading ??= import('undici'));
  const agentOf = (undici: Library, kind: EgressClass): Undici.Agent => {
    const existing = agents.get(kind);
    if (existing !== undefined) return existing;
    const agent = createAgent(undici, kind, options);
    agents.set(kind, agent);
    return agent;
  };
  return {
    fetch: (policy) => async (input, init) => {
      const undici = await load();
      const hop = await firstHop(input, init);
      const request = { hop, init: init ?? {}, policy, allow: options.allow };
      return send(request, { undici, agent: agentOf(undici, policy.kind) });
    },
    async close() {
      await Promise.all([...agents.values()].map((agent) => agent.destroy()));
      agents.clear();
    },
  };
}

function createAgent(
  undici: Library,
  kind: EgressClass,
  { allow, resolve = resolveBySystem, connectTimeoutMs = CONNECT_MS }: OutboundOptions,
) {
  const connect = guardedConnector({ kind, allow, resolve, connectTimeoutMs, build: undici.buildConnector });
  return new undici.Agent({ connect, headersTimeout: FIRST_BYTE_MS, bodyTimeout: BODY_SILENCE_MS });
}

interface Sending {
  hop: Hop;
  init: RequestInit;
  policy: OutboundPolicy;
  allow: EgressAllow;
}

interface Means {
  undici: Library;
  agent: Undici.Agent;
}

async function send({ hop: first, init, policy, allow }: Sending, { undici, agent }: Means): Promise<Response> {
  const limits = startTimers(policy, init.signal ?? undefined);
  const mode = init.redirect === 'manual' || init.redirect === 'error' ? 'manual' : (policy.redirects ?? 'manual');
  let hop = first;
  try {
    for (let hops = 0; ; hops++) {
      const problem = checkUrl(hop.url, { kind: policy.kind, allow, access: policy.access });
      if (problem !== null) throw problem;
      limits.awaitHead();
      const response = await undici.fetch(hop.url, wireInit(hop, limits.signal, agent));
      const location = isRedirect(response.status) ? response.headers.get('location') : null;
      if (location === null || mode === 'manual') return finish(response, { url: hop.url, policy, limits, undici });
      void response.body?.cancel().catch(() => undefined);
      hop = follow(hop, { status: response.status, location, hops, mode });
    }
  } catch (error) {
    limits.stop();
    throw outboundErrorOf(limits.signal.aborted ? limits.signal.reason : error) ?? error;
  }
}

function wireInit(hop: Hop, signal: AbortSignal, agent: Undici.Agent): Undici.RequestInit {
  const init = { method: hop.method, headers: [...hop.headers], body: hop.body, signal, redirect: 'manual', dispatcher: agent };
  return { ...init, ...(hop.body instanceof ReadableStream && { duplex: 'half' }) } as unknown as Undici.RequestInit;
}

interface RedirectAnswer {
  status: number;
  location: string;
  /** Redirects that were followed before. */
  hops: number;
  mode: RedirectMode;
}

function follow(hop: Hop, { status, location, hops, mode }: RedirectAnswer): Hop {
  const failed = (why: string) => new OutboundError('ERR_OUTBOUND_REDIRECT', `The redirect of ${hop.url.host} was not followed: ${why}.`);
  if (hops >= MAX_REDIRECTS) throw failed(`more than ${MAX_REDIRECTS} redirects`);
  const next = nextHop(hop, status, location);
  if ('problem' in next) throw failed(next.problem);
  if (mode === 'same-origin' && next.url.origin !== hop.url.origin) throw failed(`it leads to another site, ${next.url.host}`);
  return next;
}

interface Timers {
  signal: AbortSignal;
  /** A request is sent; its answer has so long to begin. */
  awaitHead: () => void;
  /** The head of the answer is here. */
  headArrived: () => void;
  stop: () => void;
}

function startTimers({ firstByteMs = FIRST_BYTE_MS, totalMs }: OutboundPolicy, signal: AbortSignal | undefined): Timers {
  const own = new AbortController();
  const after = (ms: number, what: string) => {
    const error = new OutboundError('ERR_OUTBOUND_TIMEOUT', `${what} within ${ms / 1_000} s.`);
    return setTimeout(() => own.abort(error), ms).unref();
  };
  let head: NodeJS.Timeout | undefined;
  const total = totalMs === undefined ? undefined : after(totalMs, 'The answer did not end');
  return {
    signal: signal === undefined ? own.signal : AbortSignal.any([signal, own.signal]),
    awaitHead: () => {
      clearTimeout(head);
      head = after(firstByteMs, 'No answer came');
    },
    headArrived: () => clearTimeout(head),
    stop: () => {
      clearTimeout(head);
      clearTimeout(total);
    },
  };
}

interface Finish {
  url: URL;
  policy: OutboundPolicy;
  limits: Timers;
  undici: Library;
}

/** The answer with its body under the limits; `url` is that of the last hop. */
function finish(response: Undici.Response, { url, policy, limits, undici }: Finish): Response {
  limits.headArrived();
  const body = response.body as ReadableStream<Uint8Array> | null;
  if (body === null) limits.stop();
  if (policy.maxBytes === undefined || body === null) return response as unknown as Response;
  if (response.status > 599) throw refused(`"${url.host}" answered with the status ${response.status}, which does not exist.`);
  const { status, statusText, headers } = response;
  const limited = new undici.Response(limitStream(body, policy.maxBytes, limits.stop), { status, statusText, headers });
  Object.defineProperty(limited, 'url', { value: url.href });
  return limited as unknown as Response;
}

async function firstHop(input: string | URL | Request, init: RequestInit = {}): Promise<Hop> {
  if (input instanceof Request) {
    const body = init.body ?? (input.body === null ? null : await input.arrayBuffer());
    return hopOf(input.url, { method: input.method, ...init, headers: init.headers ?? input.headers, body });
  }
  return hopOf(String(input), init);
}

function hopOf(address: string, { method = 'GET', headers, body }: RequestInit): Hop {
  if (!URL.canParse(address)) throw refused('This is not an address: an absolute http or https URL is expected.');
  return { url: new URL(address), method: method.toUpperCase(), headers: new Headers(headers), body: body ?? null };
}
