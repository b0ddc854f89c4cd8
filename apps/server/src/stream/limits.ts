import { PlatformError } from '@everruns/contract';
import type { Uuid } from '@everruns/contract';

export interface StreamLimitConfig {
  /** Of the whole installation and of one organization, shared out evenly among the instances; 0 = no limit. */
  globalMax: number;
  perOrgMax: number;
  /** Of one session on this instance; 0 = no limit. */
  perSessionMax: number;
  expectedInstances: number;
}

const RETRY_AFTER_SECONDS = 5;

/** Counts open streams. */
export class StreamLimits {
  readonly #config: StreamLimitConfig;
  readonly #perOrg = new Map<Uuid, number>();
  readonly #perSession = new Map<Uuid, number>();
  #total = 0;

  constructor(config: StreamLimitConfig) {
    this.#config = config;
  }

  get total(): number {
    return this.#total;
  }

  /** Counts one more; the returned function counts it out, once. Throws `too_many_streams` naming the limit. */
  acquire(orgId: Uuid, sessionId: Uuid): () => void {
    const { globalMax, perOrgMax, perSessionMax, expectedInstances } = this.#config;
    refuseAt(this.#total, share(globalMax, expectedInstances), 'global limit');
    refuseAt(this.#perOrg.get(orgId) ?? 0, share(perOrgMax, expectedInstances), 'limit per organization');
    refuseAt(this.#perSession.get(sessionId) ?? 0, perSessionMax, 'limit per session');
    this.#total += 1;
    count(this.#perOrg, orgId, 1);
    count(this.#perSession, sessionId, 1);
    let released = false;
    return () => {
      if (released) return;
      released = true;
      this.#total -= 1;
      count(this.#perOrg, orgId, -1);
      count(this.#perSession, sessionId, -1);
    };
  }
}

function share(max: number, instances: number): number {
  return max === 0 ? 0 : Math.max(1, Math.floor(max / Math.max(1, instances)));
}

function refuseAt(open: number, max: number, limit: string): void {
  if (max === 0 || open < max) return;
  throw new PlatformError('too_many_streams', `The ${limit} of ${max} open streams is reached.`, {
    retryAfterSeconds: RETRY_AFTER_SECONDS,
  });
}

function count(counts: Map<Uuid, number>, key: Uuid, by: number): void {
  const next = (counts.get(key) ?? 0) + by;
  if (next === 0) counts.delete(key);
  else counts.set(key, next);
}
