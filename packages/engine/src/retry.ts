/** Retry arithmetic of the engine's tasks. Pure; jitter comes in as a number. */

export interface RetryPolicy {
  maxAttempts: number;
  initialMs: number;
  coefficient: number;
  maxMs: number;
  /** Fraction of the delay by which it varies either way. */
  jitter: number;
}

export const DEFAULT_RETRY: RetryPolicy = { maxAttempts: 5, initialMs: 1_000, coefficient: 2, maxMs: 60_000, jitter: 0.1 };

/** Failures of these kinds would fail again: the task dies at once. */
export const NON_RETRYABLE_CODES: ReadonlySet<string> = new Set([
  'invalid_input',
  'unknown_task',
  'session_deleted',
  'budget_exhausted',
  'unsupported_version',
]);

/**
 * Delay before the next attempt, or null when there is none. `failures` counts the failed attempts so far, this one included;
 * `random` is in [0, 1).
 */
export function retryDelayMs(failures: number, random: number, policy: RetryPolicy = DEFAULT_RETRY): number | null {
  if (failures >= policy.maxAttempts) return null;
  const plain = Math.min(policy.initialMs * policy.coefficient ** (failures - 1), policy.maxMs);
  return Math.round(plain * (1 + policy.jitter * (2 * random - 1)));
}

/** May a failure be retried at all? */
export function isRetryable(failure: { code: string; retryable: boolean }): boolean {
  return failure.retryable && !NON_RETRYABLE_CODES.has(failure.code);
}
