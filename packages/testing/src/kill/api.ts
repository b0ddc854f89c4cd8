import { setTimeout as sleep } from 'node:timers/promises';
import type { DurableEvent } from '@everruns/contract';

export interface ApiAnswer {
  status: number;
  body: unknown;
}

const RETRY_MS = 50;
const PATIENCE_MS = 45_000;

/**
 * A client of the public API that does not give up: as the official ones do, it repeats what failed on the way or with a 5xx. What it sends
 * is idempotent, so a repeat after a lost answer is right.
 */
export class Api {
  readonly #base: () => string;
  readonly #leave: (base: string) => void;

  /** `base` is asked for each attempt: the server that answers now. `leave` is told of one that does not. */
  constructor(base: () => string, leave: (base: string) => void = () => undefined) {
    this.#base = base;
    this.#leave = leave;
  }

  async send(method: string, path: string, body?: unknown): Promise<ApiAnswer> {
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      const base = this.#base();
      const answer = await this.#attempt(method, `${base}/api${path}`, body);
      if (answer !== null && answer.status < 500) return answer;
      this.#leave(base);
      if (performance.now() > deadline)
        throw new Error(`${method} ${path} got no answer within ${PATIENCE_MS / 1000} s (${answer?.status ?? 'no connection'}).`);
      await sleep(RETRY_MS);
    }
  }

  /** The body of a successful answer; anything else is an error. */
  async must<T>(method: string, path: string, body?: unknown): Promise<T> {
    const { status, body: given } = await this.send(method, path, body);
    if (status >= 400) throw new Error(`${method} ${path} answered ${status}: ${JSON.stringify(given)}`);
    return given as T;
  }

  async events(sessionId: string): Promise<DurableEvent[]> {
    return (await this.must<{ data: DurableEvent[] }>('GET', `/v1/sessions/${sessionId}/events`)).data;
  }

  async #attempt(method: string, url: string, body: unknown): Promise<ApiAnswer | null> {
    try {
      const answer = await fetch(url, {
        method,
        signal: AbortSignal.timeout(10_000),
        ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
      });
      const text = await answer.text();
      return { status: answer.status, body: text === '' ? null : JSON.parse(text) };
    } catch {
      return null; // refused, broken, too slow: tried again
    }
  }
}
