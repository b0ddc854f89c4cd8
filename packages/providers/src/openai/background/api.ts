import { objectOf, type WireObject } from './events.ts';

export type Fetch = typeof globalThis.fetch;

/** The calls around a stored response. They return the answer as it is; reading a failure is the caller's matter. */
export interface ResponsesApi {
  create(init: RequestInit): Promise<Response>;
  retrieve(id: string, signal: AbortSignal): Promise<Response>;
  /** The stream of a response, from its beginning or after an event. */
  attach(id: string, after: number | undefined, signal: AbortSignal): Promise<Response>;
  cancel(id: string, signal: AbortSignal): Promise<Response>;
}

/** Only what is asked for comes with a read: without it the replay state of the reasoning is lost. */
const INCLUDE = { 'include[]': 'reasoning.encrypted_content' };

/** @param url address of `POST /responses`; the others lie below it. */
export function createResponsesApi(fetch: Fetch, url: string, headers: Headers): ResponsesApi {
  const bare = new Headers(headers);
  bare.delete('content-type');
  bare.delete('idempotency-key');
  const get = (id: string, query: Record<string, string>, signal: AbortSignal): Promise<Response> => {
    const search = new URLSearchParams({ ...query, ...INCLUDE }).toString();
    return fetch(`${url}/${encodeURIComponent(id)}?${search}`, { headers: bare, signal });
  };
  return {
    create: (init) => fetch(url, init),
    retrieve: (id, signal) => get(id, {}, signal),
    attach: (id, after, signal) => {
      return get(id, { stream: 'true', ...(after === undefined ? {} : { starting_after: String(after) }) }, signal);
    },
    cancel: (id, signal) => fetch(`${url}/${encodeURIComponent(id)}/cancel`, { method: 'POST', headers: bare, signal }),
  };
}

export function isEventStream(response: Response): boolean {
  return response.ok && response.body !== null && (response.headers.get('content-type') ?? '').includes('event-stream');
}

export async function readObject(response: Response): Promise<WireObject> {
  return objectOf(await response.json()) ?? {};
}
