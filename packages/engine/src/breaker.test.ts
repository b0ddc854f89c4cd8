import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { admit, CLOSED, DEFAULT_BREAKER, record } from './breaker.ts';
import type { Breaker } from './breaker.ts';

let lastCall = 0;
const fail = (breaker: Breaker, nowMs: number, token = `call-${++lastCall}`): Breaker =>
  record(breaker, { token, success: false, nowMs }) ?? breaker;
const succeed = (breaker: Breaker, nowMs: number, token = 'a'): Breaker => record(breaker, { token, success: true, nowMs }) ?? breaker;
const failures = (n: number, nowMs = 0): Breaker => Array.from({ length: n }).reduce<Breaker>((breaker) => fail(breaker, nowMs), CLOSED);
const opened = failures(5);
const probing = (breaker: Breaker, token: string, nowMs: number): Breaker => {
  const admission = admit(breaker, token, nowMs);
  if (!admission.admitted || admission.next === null) throw new Error('no probe was admitted');
  return admission.next;
};

describe('a circuit breaker', () => {
  it('opens at the fifth failure within 60 s', () => {
    expect(failures(4).state).toBe('closed');
    expect(failures(5).state).toBe('open');
  });

  it('forgets failures that are 60 s old', () => {
    const spread = [0, 1_000, 2_000, 3_000, 60_000].reduce((breaker, at) => fail(breaker, at), CLOSED);
    expect(spread).toMatchObject({ state: 'closed', failuresMs: [1_000, 2_000, 3_000, 60_000] });
  });

  it('counts the failure of a call once, however often it is told', () => {
    const counted = fail(failures(3), 0, 'a');
    expect(record(counted, { token: 'a', success: false, nowMs: 1_000 })).toBeNull();
    const last = fail(counted, 2_000, 'b');
    const closed = succeed(probing(succeed(probing(last, 'c', 32_000), 32_100, 'c'), 'd', 32_200), 32_300, 'd');
    expect(closed.state).toBe('closed');
    expect(record(closed, { token: 'b', success: false, nowMs: 33_000 })).toBeNull();
  });

  it('writes nothing for a success while it is closed', () => {
    expect(record(failures(3), { token: 'a', success: true, nowMs: 5 })).toBeNull();
  });

  it('admits everything while closed and writes nothing', () => {
    expect(admit(failures(4), 'a', 0)).toEqual({ admitted: true, next: null });
  });

  it('parks until 30 s after it opened', () => {
    expect(admit(opened, 'a', 0)).toEqual({ admitted: false, retryInMs: 30_000 });
    expect(admit(opened, 'a', 29_999)).toEqual({ admitted: false, retryInMs: 1 });
  });

  it('lets one call through after 30 s and parks the others', () => {
    const half = probing(opened, 'a', 30_000);
    expect(half).toMatchObject({ state: 'half_open', probeToken: 'a' });
    expect(admit(half, 'b', 30_000)).toMatchObject({ admitted: false });
  });

  it('admits the probe again when it asks again', () => {
    expect(admit(probing(opened, 'a', 30_000), 'a', 31_000)).toEqual({ admitted: true, next: null });
  });

  it('closes after two probes that succeed', () => {
    const first = succeed(probing(opened, 'a', 30_000), 30_100, 'a');
    expect(first).toMatchObject({ state: 'half_open', successes: 1, probeToken: null });
    expect(succeed(probing(first, 'b', 30_200), 30_300, 'b')).toEqual({ ...CLOSED, counted: opened.counted });
  });

  it('opens again when a probe fails, for another 30 s', () => {
    const again = fail(probing(opened, 'a', 30_000), 31_000, 'a');
    expect(again).toMatchObject({ state: 'open', openedMs: 31_000, successes: 0, probeToken: null });
    expect(admit(again, 'b', 60_999)).toEqual({ admitted: false, retryInMs: 1 });
  });

  it('ignores calls that were made before it opened', () => {
    expect(record(opened, { token: 'old', success: true, nowMs: 1 })).toBeNull();
    expect(record(probing(opened, 'a', 30_000), { token: 'old', success: false, nowMs: 30_001 })).toBeNull();
  });

  it('takes the next call as its probe when the lease of the last one ended without a word', () => {
    const orphaned = { ...probing(opened, 'a', 30_000), probeToken: null };
    expect(probing(orphaned, 'b', 30_500)).toMatchObject({ state: 'half_open', probeToken: 'b' });
  });
});

/** The same rules said differently: a log of what happened, looked at from the end. */
class Model {
  #failures: number[] = [];
  #openedMs: number | null = null;
  #probe: string | null = null;
  #successes = 0;
  half = false;

  get state(): Breaker['state'] {
    if (this.#openedMs === null) return 'closed';
    return this.half ? 'half_open' : 'open';
  }

  admits(token: string, nowMs: number): boolean {
    if (this.#openedMs === null || this.#probe === token) return true;
    if (!this.half && nowMs - this.#openedMs < DEFAULT_BREAKER.openMs) return false;
    if (this.half && this.#probe !== null) return false;
    if (!this.half) this.#successes = 0;
    this.half = true;
    this.#probe = token;
    return true;
  }

  ended(token: string, success: boolean, nowMs: number): void {
    if (this.#openedMs === null) {
      if (success) return;
      this.#failures = [...this.#failures, nowMs].filter((at) => nowMs - at < DEFAULT_BREAKER.windowMs);
      if (this.#failures.length >= DEFAULT_BREAKER.failureThreshold) this.#openedMs = nowMs;
      return;
    }
    if (this.#probe !== token) return;
    this.#probe = null;
    if (!success) {
      this.half = false;
      this.#openedMs = nowMs;
    } else if (++this.#successes >= DEFAULT_BREAKER.successThreshold) {
      this.half = false;
      this.#openedMs = null;
      this.#failures = [];
    }
  }

  lost(token: string): void {
    if (this.#probe === token) this.#probe = null;
  }
}

const step = fc.record({
  afterMs: fc.oneof(fc.integer({ min: 0, max: 2_000 }), fc.integer({ min: 10_000, max: 40_000 })),
  act: fc.constantFrom<'call' | 'succeed' | 'fail' | 'lose'>('call', 'call', 'succeed', 'succeed', 'fail', 'fail', 'fail', 'lose'),
  caller: fc.constantFrom('a', 'b'),
});

describe('the breaker against its model', () => {
  it('agrees after every sequence of calls, ends and lost leases', () => {
    const reached = new Set<string>();
    fc.assert(
      fc.property(fc.array(step, { minLength: 20, maxLength: 80 }), (steps) => {
        const model = new Model();
        let breaker: Breaker = CLOSED;
        let nowMs = 0;
        /** A lease ends with its call; the caller's next one has another token. */
        const leases: Record<string, string> = {};
        for (const [n, { afterMs, act, caller }] of steps.entries()) {
          const token = (leases[caller] ??= `${caller}-${n}`);
          if (act !== 'call') delete leases[caller];
          nowMs += afterMs;
          const before = breaker.state;
          if (act === 'call') {
            const admission = admit(breaker, token, nowMs);
            expect(admission.admitted).toBe(model.admits(token, nowMs));
            if (admission.admitted) breaker = admission.next ?? breaker;
            else expect(admission.retryInMs).toBeGreaterThan(0);
          } else if (act === 'lose') {
            // What the row's reader does: a probe whose lease has ended is none.
            if (breaker.probeToken === token) breaker = { ...breaker, probeToken: null };
            model.lost(token);
          } else {
            breaker = record(breaker, { token, success: act === 'succeed', nowMs }) ?? breaker;
            model.ended(token, act === 'succeed', nowMs);
          }
          expect(breaker.state).toBe(model.state);
          reached.add(`${before} -> ${breaker.state}`);
        }
      }),
      { seed: 20_260_102, numRuns: 1_000 },
    );
    expect([...reached].sort()).toEqual([
      'closed -> closed',
      'closed -> open',
      'half_open -> closed',
      'half_open -> half_open',
      'half_open -> open',
      'open -> half_open',
      'open -> open',
    ]);
  });
});
