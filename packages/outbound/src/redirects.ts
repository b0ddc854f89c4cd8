/** What the next request of a redirect is; pure. */

type Body = NonNullable<RequestInit['body']>;

/** `same-origin` follows within scheme, host and port, for requests that carry secrets; `manual` hands the redirect to the caller. */
export type RedirectMode = 'manual' | 'same-origin' | 'follow';

export interface Hop {
  url: URL;
  method: string;
  headers: Headers;
  body: Body | null;
}

const REDIRECTS = new Set([301, 302, 303, 307, 308]);
/** What tells nobody anything about the caller; the rest stays within the origin that it was meant for. */
const FOR_ANYBODY = ['accept', 'accept-language', 'user-agent', 'if-none-match', 'if-modified-since'];

export function isRedirect(status: number): boolean {
  return REDIRECTS.has(status);
}

/** The request that follows, or why there is none. */
export function nextHop(hop: Hop, status: number, location: string): Hop | { problem: string } {
  if (!URL.canParse(location, hop.url.href)) return { problem: 'it names no address' };
  const url = new URL(location, hop.url.href);
  if (url.hash === '') url.hash = hop.url.hash;
  const crosses = url.origin !== hop.url.origin;
  const becomesGet = (status === 303 && hop.method !== 'HEAD') || ((status === 301 || status === 302) && hop.method === 'POST');
  const body = becomesGet ? null : hop.body;
  if (body !== null && crosses) return { problem: `it would send the body to another site, ${url.host}` };
  if (isStream(body)) return { problem: 'the body cannot be sent a second time' };
  const headers = crosses ? headersForAnybody(hop.headers) : new Headers(hop.headers);
  if (becomesGet) for (const name of ['content-type', 'content-length', 'content-encoding']) headers.delete(name);
  return { url, method: becomesGet ? 'GET' : hop.method, headers, body };
}

function headersForAnybody(headers: Headers): Headers {
  return new Headers(FOR_ANYBODY.flatMap((name): [string, string][] => (headers.has(name) ? [[name, headers.get(name) as string]] : [])));
}

function isStream(body: Body | null): boolean {
  return body instanceof ReadableStream;
}
