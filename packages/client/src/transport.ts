import { ConnectionError, errorOf } from './errors.ts';

export interface RetrySettings {
  /** Tries of one call, the first one counted. */
  attempts: number;
  minDelayMs: number;
  maxDelayMs: number;
}

export interface TransportSettings {
  fetch: typeof fetch;
  headers: () => Promise<Record<string, string>>;
  retry: RetrySettings;
  /** Resolves after so many milliseconds, sooner when the signal says so. */
  pause: (ms: number, signal?: AbortSignal | null) => Promise<void>;
  /** From 0 to 1, so that many clients do not come back at once. */
  random: () => number;
}

/** Marks a POST whose repetition changes nothing more; the header never leaves the client. */
export const REPEATABLE = 'x-everruns-repeatable';

const SAFE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'PUT', 'DELETE']);
/** Nothing has been done when this is the answer. */
const REFUSED_UNSEEN: ReadonlySet<number> = new Set([429]);
const PASSING: ReadonlySet<number> = new Set([429, 502, 503, 504]);

/**
 * A `fetch` that adds credentials, tries again what may be tried again, and throws instead of answering with a failure. A call that is
 * not safe to repeat is repeated only when the server has refused even to look at it.
 */
export function transport(settings: TransportSettings): typeof fetch {
  return async (input, init) => {
    const request = new Request(input, init);
    const isRepeatable = SAFE.has(request.method) || request.headers.has(REPEATABLE);
    request.headers.delete(REPEATABLE);
    for (const [name, value] of Object.entries(await settings.headers())) if (!request.headers.has(name)) request.headers.set(name, value);
    for (let attempt = 1; ; attempt++) {
      const outcome = await once(settings.fetch, request.clone());
      if (outcome instanceof Response && outcome.ok) return outcome;
      request.signal.throwIfAborted();
      const delayMs = attempt < settings.retry.attempts ? delayOf(outcome, { isRepeatable, attempt, ...settings }) : null;
      if (delayMs === null) throw outcome instanceof Response ? await errorOf(outcome) : outcome;
      if (outcome instanceof Response) await outcome.body?.cancel();
      await settings.pause(delayMs, request.signal);
    }
  };
}

async function once(fetcher: typeof fetch, request: Request): Promise<Response | ConnectionError> {
  try {
    return await fetcher(request);
  } catch (cause) {
    if (request.signal.aborted) throw cause;
    return new ConnectionError(`No answer from ${new URL(request.url).origin}.`, { cause });
  }
}

interface Try extends Pick<TransportSettings, 'retry' | 'random'> {
  isRepeatable: boolean;
  attempt: number;
}

/** Null: not to be repeated. */
function delayOf(outcome: Response | ConnectionError, { isRepeatable, attempt, retry, random }: Try): number | null {
  const status = outcome instanceof Response ? outcome.status : null;
  if (status !== null && !PASSING.has(status)) return null;
  if (!isRepeatable && (status === null || !REFUSED_UNSEEN.has(status))) return null;
  const asked = outcome instanceof Response ? Number(outcome.headers.get('retry-after') ?? Number.NaN) * 1_000 : Number.NaN;
  const backOff = Math.min(retry.maxDelayMs, retry.minDelayMs * 2 ** (attempt - 1)) * (0.5 + random() / 2);
  if (asked > retry.maxDelayMs) return null; // the caller may have better plans than to wait that long
  return Number.isFinite(asked) ? Math.max(asked, backOff) : backOff;
}

/** Ends sooner when the signal says so, with its reason. */
export async function pause(ms: number, signal?: AbortSignal | null): Promise<void> {
  signal?.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, ms);
    signal?.addEventListener('abort', stop, { once: true });
  });
}
