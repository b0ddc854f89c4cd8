import { PlatformError } from '@everruns/contract';
import { LimiterUnavailable } from './limiter.ts';
import type { Limiter, RateLimit } from './limiter.ts';

/** How often somebody may try to get in, or have mails sent; 0 = no limit. */
export interface AuthRates {
  /** From one address. */
  loginsPerMinute: number;
  registersPerMinute: number;
  refreshesPerMinute: number;
  /** OAuth clients that register themselves. */
  clientsPerMinute: number;
  /** To one account in 15 minutes, from wherever. */
  accountLogins: number;
  accountMailsPerMinute: number;
  accountMailsPerDay: number;
}

export type AuthAction = 'login' | 'register' | 'refresh' | 'client';

export interface AuthLimits {
  /** Throws `rate_limited` when this address has tried too often. */
  ofAddress(action: AuthAction, address: string): Promise<void>;
  /** Throws `rate_limited` when it has been tried too often to get into this account, which need not exist. */
  ofAccount(email: string): Promise<void>;
  /** False when this account has been sent enough for now; whoever asks is not told. */
  mayMail(email: string): Promise<boolean>;
  /** Throws `rate_limited` when this address has been invited often enough for a day, by whomever. */
  ofInvited(email: string): Promise<void>;
}

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

export function createAuthLimits(limiter: Limiter, rates: AuthRates): AuthLimits {
  const ofAddress: Record<AuthAction, number> = {
    login: rates.loginsPerMinute,
    register: rates.registersPerMinute,
    refresh: rates.refreshesPerMinute,
    client: rates.clientsPerMinute,
  };
  /** Seconds until there is room, null when there is. */
  const waitFor = async (key: string, limit: RateLimit): Promise<number | null> => {
    if (limit.limit === 0) return null;
    const { isAllowed, resetMs } = await limiter.take(`auth:${key}`, limit);
    return isAllowed ? null : Math.max(1, Math.ceil(resetMs / 1_000));
  };
  const require = async (key: string, limit: RateLimit): Promise<void> => {
    const waitSecs = await waitFor(key, limit);
    if (waitSecs !== null) throw new PlatformError('rate_limited', 'Too many attempts. Try again later.', { retryAfterSeconds: waitSecs });
  };
  return {
    ofAddress: (action, address) => require(`${action}:${address}`, { limit: ofAddress[action], windowMs: MINUTE_MS }),
    ofAccount: (email) => require(`account_login:${email}`, { limit: rates.accountLogins, windowMs: 15 * MINUTE_MS }),
    // Apart from what its owner asks for, which nobody else is to learn of or use up.
    ofInvited: (email) => require(`email_invite_day:${email}`, { limit: rates.accountMailsPerDay, windowMs: DAY_MS }),
    async mayMail(email) {
      // The day counts only what the minute lets pass, so that nobody uses it up in one go.
      const minute = await waitFor(`email_send_min:${email}`, { limit: rates.accountMailsPerMinute, windowMs: MINUTE_MS });
      return minute === null && (await waitFor(`email_send_day:${email}`, { limit: rates.accountMailsPerDay, windowMs: DAY_MS })) === null;
    },
  };
}

/** Counts with `local` while `shared` cannot be asked: an attacker who takes the shared counter away has to do with this instance's. */
export function withLocalFallback(shared: Limiter, local: Limiter): Limiter {
  return {
    async take(key, limit) {
      try {
        return await shared.take(key, limit);
      } catch (error) {
        if (error instanceof LimiterUnavailable) return local.take(key, limit);
        throw error;
      }
    },
    async close() {
      await Promise.all([shared.close(), local.close()]);
    },
  };
}
