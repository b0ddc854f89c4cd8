import { admit, record } from '@everruns/engine';
import type { Uuid } from '@everruns/contract';
import { withBreaker } from '@everruns/storage';
import type { Database } from '@everruns/storage';

export type CallAdmission = { admitted: true; watched: boolean } | { admitted: false; retryInMs: number };

/**
 * Circuit breakers of this instance's calls. Closed ones cost nothing: only the keys that some instance has found in trouble are looked at,
 * as of the last beat or of our own last failure.
 */
export class Breakers {
  readonly #db: Database;
  readonly #announce: (key: string) => void;
  #troubled: ReadonlySet<string> = new Set();

  /** `announce` tells the other instances of a circuit that has opened. */
  constructor(db: Database, announce: (key: string) => void) {
    this.#db = db;
    this.#announce = announce;
  }

  /** Circuits that another instance has found open; closed ones are told by the beat. */
  opened(keys: readonly string[]): void {
    this.#troubled = new Set([...this.#troubled, ...keys]);
  }

  /** What the last beat saw. */
  observe(keys: readonly string[]): void {
    this.#troubled = new Set(keys);
  }

  /** May this lease's call be made? Otherwise: how long its task is parked. */
  async admit(key: string, token: Uuid): Promise<CallAdmission> {
    if (!this.#troubled.has(key)) return { admitted: true, watched: false };
    return withBreaker<CallAdmission>(this.#db, key, (breaker, nowMs) => {
      const answer = admit(breaker, token, nowMs);
      if (!answer.admitted) return { next: null, answer };
      return { next: answer.next, answer: { admitted: true, watched: breaker.state !== 'closed' } };
    });
  }

  /** Counts the end of a call. A success in closed state writes nothing. */
  async record(key: string, call: { token: Uuid; success: boolean; watched: boolean }): Promise<void> {
    if (call.success && !call.watched) return;
    const { state, opened } = await withBreaker(this.#db, key, (breaker, nowMs) => {
      const next = record(breaker, { token: call.token, success: call.success, nowMs });
      const { state } = next ?? breaker;
      return { next, answer: { state, opened: state === 'open' && breaker.state !== 'open' } };
    });
    const keys = new Set(this.#troubled);
    if (state === 'closed') keys.delete(key);
    else keys.add(key);
    this.#troubled = keys;
    if (opened) this.#announce(key);
  }
}
