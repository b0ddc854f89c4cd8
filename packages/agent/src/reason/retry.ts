import type { ModelError } from '../model.ts';

/** How often and after which waits a model call is made again, as long as it has produced nothing. */
export const MAX_MODEL_RETRIES = 2;
const FIRST_DELAY_MS = 1_000;
const FACTOR = 2;
const MAX_DELAY_MS = 60_000;
const JITTER = 0.25;
/** No retry begins later than this after the first failure; a wait that the provider asked for may end later. */
const MAX_ELAPSED_MS = 30_000;

export interface FailedCall {
  error: ModelError;
  /** Retries already made. */
  retries: number;
  /** Milliseconds since the first failure of this step. */
  elapsedMs: number;
}

/** Milliseconds to wait before the next attempt, or null when there is none. `random` is in [0, 1). */
export function modelRetryDelay({ error, retries, elapsedMs }: FailedCall, random: () => number): number | null {
  if (!error.retryable || retries >= MAX_MODEL_RETRIES || elapsedMs >= MAX_ELAPSED_MS) return null;
  const asked = error.retryAfterMs;
  if (asked !== undefined && asked >= 0 && asked <= MAX_DELAY_MS) return asked;
  const backoff = Math.min(FIRST_DELAY_MS * FACTOR ** retries, MAX_DELAY_MS);
  return Math.round(backoff * (1 + JITTER * (2 * random() - 1)));
}
