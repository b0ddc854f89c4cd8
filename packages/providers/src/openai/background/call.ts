import { createResponsesApi, type Fetch, isEventStream, readObject, type ResponsesApi } from './api.ts';
import { eventsOfResponse, isRunning, objectOf, responseIdOf, type WireObject } from './events.ts';
import { followResponse, type FollowOptions } from './follow.ts';
import { readEvents, toEventStream } from './sse.ts';

export interface BackgroundCallOptions {
  fetch: Fetch;
  /** Response of an earlier attempt. */
  resumeId: string | undefined;
  wait: FollowOptions['wait'];
}

/** One attempt on a background response: what the SDK takes for its `fetch`, and what the driver knows meanwhile. */
export interface BackgroundCall {
  fetch: Fetch;
  /** Id of a response that this attempt created; never settles when it attached to an older one. */
  created: Promise<string>;
  /** Closes the connection. `cancel` ends the response at the provider first, also one whose id is still on its way. Never rejects. */
  end(how: { cancel: boolean }): Promise<void>;
}

const CANCEL_TIMEOUT_MS = 5000;
const CANCEL_ATTEMPTS = 3;
const CANCEL_RETRY_MS = 500;

/**
 * The SDK builds the request and reads the answer; between the two stands this fetch, which makes the request a background one,
 * tells its id as soon as it is known, and follows the response over broken connections. Neither side knows.
 */
export function startBackgroundCall(options: BackgroundCallOptions): BackgroundCall {
  const created = Promise.withResolvers<string>();
  const creation = new AbortController();
  let api: ResponsesApi | undefined;
  let responseId = options.resumeId;
  let isCreating = false;

  const create = async (through: ResponsesApi, init: RequestInit, signal: AbortSignal): Promise<Response> => {
    isCreating = true;
    const opened = await openNew(through, { ...init, signal: creation.signal }).finally(() => (isCreating = false));
    if (opened instanceof Response) return opened;
    responseId = opened.id;
    created.resolve(opened.id);
    // From here on the connection belongs to this attempt; before, it had to outlive an abort for the sake of the id.
    signal.addEventListener('abort', () => creation.abort(signal.reason), { once: true });
    return eventStream(followResponse({ ...options, api: through, id: opened.id, signal }, opened.events));
  };

  return {
    created: created.promise,
    fetch: async (input, init = {}) => {
      const through = createResponsesApi(options.fetch, addressOf(input), new Headers(init.headers));
      const signal = init.signal ?? new AbortController().signal;
      signal.throwIfAborted();
      api = through;
      const resumed = options.resumeId === undefined ? undefined : await resume(options.resumeId, { ...options, api, signal });
      return resumed ?? orAborted(create(through, { ...init, body: asBackground(init.body) }, signal), signal);
    },
    end: async ({ cancel }) => {
      if (cancel && isCreating) await within(CANCEL_TIMEOUT_MS, created.promise, options.wait);
      if (cancel && api !== undefined && responseId !== undefined) await cancelResponse(api, responseId, options.wait);
      creation.abort();
    },
  };
}

interface NewResponse {
  id: string;
  /** Its stream, unless the answer was not one. */
  events?: AsyncIterator<WireObject>;
}

/** The answer itself where it is a refusal or nothing that can be understood: the SDK reads those. */
async function openNew(api: ResponsesApi, init: RequestInit): Promise<NewResponse | Response> {
  const answer = await api.create(init);
  if (!answer.ok || answer.body === null) return answer;
  if (!isEventStream(answer)) {
    const text = await answer.text();
    const id = responseIdOfText(text);
    if (id === undefined) return new Response(text, answer);
    return { id };
  }
  const events = readEvents(answer.body);
  const first = await events.next();
  const id = first.done === true ? undefined : responseIdOf(first.value);
  const all = prepend(first.done === true ? [] : [first.value], events);
  if (id === undefined) return eventStream(all);
  return { id, events: all };
}

/**
 * Attaches to the response of an earlier attempt, from its beginning. Undefined when there is nothing to attach to: it is gone, was
 * cancelled or has failed, and this attempt makes its own.
 */
async function resume(
  id: string,
  options: BackgroundCallOptions & { api: ResponsesApi; signal: AbortSignal },
): Promise<Response | undefined> {
  const answer = await options.api.retrieve(id, options.signal);
  if (answer.status === 404) {
    await answer.body?.cancel();
    return undefined;
  }
  if (!answer.ok) return answer;
  const response = await readObject(answer);
  if (response['status'] === 'cancelled' || response['status'] === 'failed') return undefined;
  return eventStream(isRunning(response) ? followResponse({ ...options, id }) : listed(eventsOfResponse(response)));
}

async function within(ms: number, promise: Promise<unknown>, wait: FollowOptions['wait']): Promise<void> {
  const timer = new AbortController();
  await Promise.race([promise, wait(ms, timer.signal).catch(() => undefined)]);
  timer.abort();
}

async function cancelResponse(api: ResponsesApi, id: string, wait: FollowOptions['wait']): Promise<void> {
  for (let attempt = 1; attempt <= CANCEL_ATTEMPTS; attempt += 1) {
    const signal = AbortSignal.timeout(CANCEL_TIMEOUT_MS);
    const answer = await api.cancel(id, signal).catch(() => undefined);
    await answer?.body?.cancel();
    // A refusal says that it has ended already.
    if (answer !== undefined && answer.status < 500 && answer.status !== 429) return;
    await wait(CANCEL_RETRY_MS * attempt, new AbortController().signal);
  }
}

function addressOf(input: Parameters<Fetch>[0]): string {
  if (typeof input === 'string') return input;
  return input instanceof URL ? input.href : input.url;
}

/** Background responses are kept by definition; the rest of the request stays the stateless one. */
function asBackground(body: RequestInit['body']): string {
  const request = typeof body === 'string' ? objectOf(JSON.parse(body)) : undefined;
  return JSON.stringify({ ...request, background: true, store: true, stream: true });
}

function responseIdOfText(text: string): string | undefined {
  try {
    return responseIdOf(JSON.parse(text) as WireObject);
  } catch {
    return undefined;
  }
}

function eventStream(events: AsyncIterator<WireObject>): Response {
  return new Response(toEventStream(events), { headers: { 'content-type': 'text/event-stream' } });
}

async function* prepend(first: WireObject[], rest: AsyncGenerator<WireObject>): AsyncGenerator<WireObject> {
  yield* first;
  yield* rest;
}

async function* listed(events: WireObject[]): AsyncGenerator<WireObject> {
  yield* events;
}

/** The promise goes on for its own sake; whoever waits for it here is let go. */
async function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const onAbort = (): void => aborted.reject(signal.reason as Error);
  promise.catch(() => undefined);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    signal.throwIfAborted();
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
