import { PlatformError } from '@everruns/contract';
import type { Uuid } from '@everruns/contract';
import type { Limiter, RateLimit } from './limiter.ts';
import { takeOrPass } from './take-or-pass.ts';

/** How often agents may do something in any minute; 0 = no limit. When nobody can count, they go on. */
export interface WorkRates {
  schedulesPerMinute: number;
  toolCallsPerMinute: number;
}

const WINDOW_MS = 60_000;

/** What the model is told about a call that is not made; null: it is made. */
export type AdmitToolCall = (orgId: Uuid) => Promise<string | null>;

/** Undefined: there is no limit. */
export function toolCallRate(limiter: Limiter, { toolCallsPerMinute: limit }: WorkRates): AdmitToolCall | undefined {
  if (limit === 0) return undefined;
  return async (orgId) => {
    const waitSecs = await waitFor(limiter, `org:tool_calls:${orgId}`, { limit, windowMs: WINDOW_MS });
    if (waitSecs === null) return null;
    return `This organization has made its ${limit} tool calls of a minute. The call was not made; there is room again in ${waitSecs} s.`;
  };
}

/** Throws `rate_limited`. */
export type AdmitSchedule = (userId: Uuid) => Promise<void>;

/** Undefined: there is no limit. */
export function scheduleRate(limiter: Limiter, { schedulesPerMinute: limit }: WorkRates): AdmitSchedule | undefined {
  if (limit === 0) return undefined;
  return async (userId) => {
    const retryAfterSeconds = await waitFor(limiter, `user:schedule_create:${userId}`, { limit, windowMs: WINDOW_MS });
    if (retryAfterSeconds === null) return;
    const text = `At most ${limit} schedules can be made for a user in a minute; there is room again in ${retryAfterSeconds} s.`;
    throw new PlatformError('rate_limited', text, { retryAfterSeconds });
  };
}

/** Seconds until there is room; null when there is, or when nobody can count. */
async function waitFor(limiter: Limiter, key: string, limit: RateLimit): Promise<number | null> {
  const decision = await takeOrPass(limiter, key, limit);
  return decision === null || decision.isAllowed ? null : Math.max(1, Math.ceil(decision.resetMs / 1_000));
}
