import type { Failure } from './failure.ts';

/** How long the provider asks to wait: `retry-after-ms`, `retry-after` (seconds or a date), its own detail, its reset headers. */
export function retryAfterMsOf(failure: Failure, nowMs: number): number | undefined {
  const { headers } = failure;
  return (
    positive(Number(headers['retry-after-ms'] ?? NaN)) ??
    retryAfterHeaderMs(headers['retry-after'], nowMs) ??
    retryInfoMs(failure) ??
    resetHeaderMs(headers)
  );
}

/** When a usage limit ends, RFC 3339, where the provider says so. */
export function resetsAtOf(failure: Failure, nowMs: number): string | undefined {
  const at = Number(failure.details['resets_at'] ?? NaN);
  if (Number.isFinite(at) && at > 0) return new Date(at * 1000).toISOString();
  const inSeconds = Number(failure.details['resets_in_seconds'] ?? NaN);
  const waitMs = Number.isFinite(inSeconds) ? inSeconds * 1000 : retryAfterMsOf(failure, nowMs);
  return waitMs === undefined ? undefined : new Date(nowMs + waitMs).toISOString();
}

function retryAfterHeaderMs(value: string | undefined, nowMs: number): number | undefined {
  if (value === undefined || value.trim() === '') return undefined;
  const seconds = Number(value);
  if (Number.isFinite(seconds)) return positive(seconds * 1000);
  const atMs = Date.parse(value);
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - nowMs);
}

/** Google: `{ "@type": ".../RetryInfo", "retryDelay": "34.5s" }` among the details. */
function retryInfoMs(failure: Failure): number | undefined {
  const details = failure.details['details'];
  if (!Array.isArray(details)) return undefined;
  const delay = details.map((entry: { retryDelay?: unknown }) => entry?.retryDelay).find((value) => typeof value === 'string');
  return delay === undefined ? undefined : durationMs(delay);
}

/** OpenAI: the reset of whichever limit is used up, e.g. `x-ratelimit-reset-tokens: 6m0s`. */
function resetHeaderMs(headers: Readonly<Record<string, string>>): number | undefined {
  for (const limit of ['requests', 'tokens']) {
    const reset = headers[`x-ratelimit-reset-${limit}`];
    if (headers[`x-ratelimit-remaining-${limit}`] === '0' && reset !== undefined) return durationMs(reset);
  }
  return undefined;
}

const UNIT_MS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 };

function durationMs(text: string): number | undefined {
  const parts = [...text.matchAll(/([\d.]+)(ms|h|m|s)/g)];
  if (parts.length === 0) return undefined;
  return Math.round(parts.reduce((total, [, amount, unit]) => total + Number(amount) * (UNIT_MS[unit ?? ''] ?? 0), 0));
}

function positive(value: number): number | undefined {
  return Number.isFinite(value) && value >= 0 ? Math.round(value) : undefined;
}
