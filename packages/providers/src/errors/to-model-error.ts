import { ModelError, type ModelErrorDetails } from '@everruns/agent/model';
import { describeFailure, type Failure } from './failure.ts';
import { kindOf } from './kind.ts';
import { resetsAtOf, retryAfterMsOf } from './retry-after.ts';
import { scrubSecrets } from './scrub.ts';

export interface ErrorContext {
  apiKey: string | undefined;
  nowMs: number;
}

/**
 * The only coercion of what a provider call threw. The result carries no SDK error as its cause: those hold the whole request. Only an
 * error nobody foresaw keeps its cause, for its stack.
 */
export function toModelError(error: unknown, { apiKey, nowMs }: ErrorContext): ModelError {
  const known = modelErrorIn(error);
  if (known !== undefined) return known;
  const failure = describeFailure(error);
  const kind = kindOf(failure);
  const details: ModelErrorDetails = {};
  if (failure.status !== undefined && failure.status >= 300) details.status = failure.status;
  if (kind === 'rate_limited' || kind === 'unavailable' || kind === 'usage_limit') assignWait(details, failure, nowMs);
  if (kind === 'usage_limit') assignReset(details, failure, nowMs);
  if (kind === 'other' && error instanceof Error && failure.status === undefined) details.cause = error;
  return new ModelError(kind, scrubSecrets(textOf(failure), apiKey), details);
}

/** A seam below the SDK, such as a guarded fetch, may have decided already; the SDK wraps what it throws. */
function modelErrorIn(error: unknown): ModelError | undefined {
  for (let current = error, depth = 0; current instanceof Error && depth < 8; current = current.cause, depth += 1) {
    if (current instanceof ModelError) return current;
  }
  return undefined;
}

function assignWait(details: ModelErrorDetails, failure: Failure, nowMs: number): void {
  const retryAfterMs = retryAfterMsOf(failure, nowMs);
  if (retryAfterMs !== undefined) details.retryAfterMs = retryAfterMs;
}

function assignReset(details: ModelErrorDetails, failure: Failure, nowMs: number): void {
  const resetsAt = resetsAtOf(failure, nowMs);
  if (resetsAt !== undefined) details.resetsAt = resetsAt;
}

function textOf({ message, status, networkCode }: Failure): string {
  if (status !== undefined && status >= 300) return message === '' ? `HTTP ${status}` : `HTTP ${status}: ${message}`;
  return networkCode === undefined ? message : `${message} (${networkCode})`;
}
