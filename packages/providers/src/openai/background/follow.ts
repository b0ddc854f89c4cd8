import { ModelError } from '@everruns/agent/model';
import { isEventStream, readObject, type ResponsesApi } from './api.ts';
import { eventsOfResponse, isRunning, isTerminalEvent, sequenceOf, type WireObject } from './events.ts';
import { readEvents } from './sse.ts';

export interface FollowOptions {
  api: ResponsesApi;
  id: string;
  signal: AbortSignal;
  /** Rejects when the signal aborts. */
  wait: (ms: number, signal: AbortSignal) => Promise<void>;
}

const POLL_INTERVAL_MS = 1000;
const REATTACH_DELAY_MS = 250;
/** Attempts in a row that bring no new event. */
const MAX_REATTACHES = 5;

/**
 * Events of a running response until its last one. A broken connection is attached again after the last event seen: the answer goes on
 * at the provider, so this costs nothing and repeats nothing. Where the stream cannot be read at all the response is polled.
 */
export async function* followResponse(options: FollowOptions, opened?: AsyncIterator<WireObject>): AsyncGenerator<WireObject> {
  let events = opened;
  let after: number | undefined;
  for (let fruitless = 0; fruitless < MAX_REATTACHES; fruitless += 1) {
    options.signal.throwIfAborted();
    const source = events ?? (await attach(options, after));
    if (source === 'unsupported') return yield* pollRest(options, after);
    for await (const event of quietly(source, options.signal)) {
      const sequence = sequenceOf(event);
      if (sequence !== undefined && after !== undefined && sequence <= after) continue;
      after = sequence ?? after;
      fruitless = 0;
      yield event;
      if (isTerminalEvent(event)) return;
    }
    events = undefined;
    await options.wait(REATTACH_DELAY_MS, options.signal);
  }
  throw new ModelError('cut', 'The stream of the background response broke off and could not be attached again.');
}

/** Without events after a failure that may pass. */
async function attach({ api, id, signal }: FollowOptions, after: number | undefined): Promise<AsyncIterator<WireObject> | 'unsupported'> {
  const response = await api.attach(id, after, signal).catch(() => undefined);
  if (response?.body && isEventStream(response)) return readEvents(response.body);
  await response?.body?.cancel();
  if (response === undefined || response.status === 429 || response.status >= 500) return nothing();
  return 'unsupported';
}

async function* nothing(): AsyncGenerator<WireObject> {}

/** Ends where the source breaks off: what to do about it is decided by the terminal event that did or did not come. */
async function* quietly(events: AsyncIterator<WireObject>, signal: AbortSignal): AsyncGenerator<WireObject> {
  try {
    for (let next = await events.next(); next.done !== true; next = await events.next()) yield next.value;
  } catch {
    signal.throwIfAborted();
  } finally {
    void events.return?.().then(undefined, () => undefined);
  }
}

async function* pollRest(options: FollowOptions, after: number | undefined): AsyncGenerator<WireObject> {
  // A finished response comes whole; behind a part of its stream it would say everything twice.
  if (after !== undefined) throw new ModelError('cut', 'The stream of the background response broke off and cannot be attached again.');
  yield* eventsOfResponse(await pollUntilDone(options));
}

async function pollUntilDone({ api, id, signal, wait }: FollowOptions): Promise<WireObject> {
  for (let fruitless = 0; fruitless < MAX_REATTACHES; fruitless += 1) {
    const answer = await api.retrieve(id, signal).catch(() => undefined);
    if (answer?.ok) {
      const response = await readObject(answer);
      if (!isRunning(response)) return response;
      fruitless = 0;
    }
    await wait(POLL_INTERVAL_MS, signal);
  }
  throw new ModelError('unavailable', 'The state of the background response could not be read.');
}
