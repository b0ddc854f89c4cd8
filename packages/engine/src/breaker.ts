/** Circuit breaker of one key, e.g. `llm:<provider id>`. Pure; times are milliseconds of the database's clock. */

export interface BreakerPolicy {
  windowMs: number;
  failureThreshold: number;
  openMs: number;
  successThreshold: number;
}

export const DEFAULT_BREAKER: BreakerPolicy = { windowMs: 60_000, failureThreshold: 5, openMs: 30_000, successThreshold: 2 };

export interface Breaker {
  state: 'closed' | 'open' | 'half_open';
  /** Times of the failures within the window, oldest first. */
  failuresMs: number[];
  successes: number;
  openedMs: number | null;
  /** The lease whose call is the one probe of a half-open breaker. */
  probeToken: string | null;
  /** The leases whose failures have been counted, the last ones: a completion may be said again after its count was committed. */
  counted: readonly string[];
}

export const CLOSED: Breaker = Object.freeze({
  state: 'closed',
  failuresMs: [],
  successes: 0,
  openedMs: null,
  probeToken: null,
  counted: [],
});

/*
 * state      event                     next
 * closed     failure, n < threshold    closed (remembered)
 * closed     failure, n = threshold    open
 * closed     success                   closed, nothing is written
 * open       admit before openMs       parked until openedMs + openMs
 * open       admit after openMs        half_open, this lease is the probe
 * half_open  admit, a probe runs       parked
 * half_open  admit, no probe           this lease is the probe
 * half_open  probe succeeds            successes + 1; closed at the threshold
 * half_open  probe fails               open again
 * any        failure counted before    nothing is written
 * half_open  probe's lease ends        no probe: the row's reader finds its token leased to nobody
 */

export type Admission = { admitted: true; next: Breaker | null } | { admitted: false; retryInMs: number };

/** Counted failures that a breaker remembers; many more than can count until it opens. */
const REMEMBERED = 32;

/** How often a parked task looks again while another one's probe is out. */
const PROBE_POLL_MS = 1_000;

/** May the call of this lease be made now? `next` is what has to be written first, null when nothing changes. */
export function admit(breaker: Breaker, token: string, nowMs: number, policy: BreakerPolicy = DEFAULT_BREAKER): Admission {
  if (breaker.state === 'closed') return { admitted: true, next: null };
  if (breaker.probeToken === token) return { admitted: true, next: null };
  if (breaker.state === 'open') {
    const until = (breaker.openedMs ?? 0) + policy.openMs;
    if (nowMs < until) return { admitted: false, retryInMs: until - nowMs };
    return { admitted: true, next: { ...breaker, state: 'half_open', successes: 0, probeToken: token } };
  }
  if (breaker.probeToken !== null) return { admitted: false, retryInMs: PROBE_POLL_MS };
  return { admitted: true, next: { ...breaker, probeToken: token } };
}

/** The breaker after a call ended; null when nothing has to be written. */
export function record(
  breaker: Breaker,
  call: { token: string; success: boolean; nowMs: number },
  policy: BreakerPolicy = DEFAULT_BREAKER,
): Breaker | null {
  if (!call.success && breaker.counted.includes(call.token)) return null;
  const counted = call.success ? breaker.counted : [...breaker.counted, call.token].slice(-REMEMBERED);
  if (breaker.state === 'closed') return call.success ? null : failClosed({ ...breaker, counted }, call.nowMs, policy);
  if (breaker.probeToken !== call.token) return null; // begun before it opened: says nothing about now
  if (!call.success) return { ...breaker, counted, state: 'open', openedMs: call.nowMs, successes: 0, probeToken: null };
  const successes = breaker.successes + 1;
  return successes >= policy.successThreshold ? { ...CLOSED, counted } : { ...breaker, successes, probeToken: null };
}

function failClosed(breaker: Breaker, nowMs: number, policy: BreakerPolicy): Breaker {
  const failuresMs = [...breaker.failuresMs.filter((at) => at > nowMs - policy.windowMs), nowMs];
  if (failuresMs.length < policy.failureThreshold) return { ...breaker, failuresMs };
  return { ...breaker, state: 'open', failuresMs, successes: 0, openedMs: nowMs, probeToken: null };
}
