import type { Uuid } from '@everruns/contract';
import { admit, record } from '@everruns/engine';
import type { Breaker } from '@everruns/engine';
import type { Task } from '../base/task.ts';
import { insertBreaker, lockBreaker, readBreaker, writeBreaker } from '../statements/breakers.ts';
import type { Instance } from './instance.ts';
import { count } from './world.ts';

export type CallAdmission = { admitted: true; watched: boolean } | { admitted: false; retryInMs: number };

/** Circuit breakers of this instance's calls: only the keys that some instance has found in trouble are looked at. */
export class Breakers {
  readonly #ctx: Instance;
  #troubled: ReadonlySet<string> = new Set();

  constructor(ctx: Instance) {
    this.#ctx = ctx;
  }

  /** What the last beat saw. */
  observe(keys: readonly string[]): void {
    this.#troubled = new Set(keys);
  }

  /** May this lease's call be made? Otherwise: how long its task is parked. */
  *admit(key: string, token: Uuid): Task<CallAdmission> {
    if (!this.#troubled.has(key)) return { admitted: true, watched: false };
    return yield* this.#with<CallAdmission>(key, (breaker, nowMs) => {
      const answer = admit(breaker, token, nowMs);
      if (!answer.admitted) return { next: null, answer };
      return { next: answer.next, answer: { admitted: true, watched: breaker.state !== 'closed' } };
    });
  }

  /** Counts the end of a call. A success in closed state writes nothing. */
  *record(key: string, call: { token: Uuid; success: boolean; watched: boolean }): Task<void> {
    if (call.success && !call.watched) return;
    const state = yield* this.#with(key, (breaker, nowMs) => {
      const next = record(breaker, { token: call.token, success: call.success, nowMs });
      const after = next ?? breaker;
      if (after.state !== breaker.state) count(this.#ctx.world, `breaker ${breaker.state} to ${after.state}`);
      return { next, answer: after.state };
    });
    const keys = new Set(this.#troubled);
    if (state === 'closed') keys.delete(key);
    else keys.add(key);
    this.#troubled = keys;
  }

  #with<T>(key: string, decide: (breaker: Breaker, nowMs: number) => { next: Breaker | null; answer: T }): Task<T> {
    const { faults } = this.#ctx.world;
    return this.#ctx.transaction(function* (run): Task<T> {
      if (!(yield* run(lockBreaker(key, faults)))) {
        yield* run(insertBreaker(key));
        yield* run(lockBreaker(key, faults));
      }
      const row = yield* run(readBreaker(key));
      const { next, answer } = decide(row.breaker, row.nowMs);
      if (next !== null) yield* run(writeBreaker(key, next));
      return answer;
    });
  }
}
