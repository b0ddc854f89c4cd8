import { findTokenOwner, touchToken } from '@everruns/storage';
import type { Database } from '@everruns/storage';
import type { Uuid } from '@everruns/contract';
import type { TokenLookup } from './lookup.ts';

const NOTED_FOR_MS = 60_000;
const MAX_NOTED = 10_000;

export interface TokenUses {
  /** Notes the time when the token was last used, at most once a minute and not before anybody who waits. */
  used(tokenId: Uuid): void;
  /** Resolves when everything that was noted is written. */
  settled(): Promise<void>;
}

export interface TokenUsesDeps {
  db: Pick<Database, 'run'>;
  nowMs: () => number;
  onError: (error: unknown) => void;
}

export function createTokenUses({ db, nowMs, onError }: TokenUsesDeps): TokenUses {
  const notedAtMs = new Map<Uuid, number>();
  const writing = new Set<Promise<void>>();
  return {
    used(tokenId) {
      const now = nowMs();
      if (now - (notedAtMs.get(tokenId) ?? -Infinity) < NOTED_FOR_MS) return;
      // What is forgotten is written again; the statement itself keeps to once a minute.
      if (notedAtMs.size >= MAX_NOTED) notedAtMs.clear();
      notedAtMs.set(tokenId, now);
      const written = touchToken(db, tokenId)
        .catch((error: unknown) => onError(error))
        .finally(() => writing.delete(written));
      writing.add(written);
    },
    settled: async () => void (await Promise.all(writing)),
  };
}

/** Looks tokens up in the database with each request. */
export function createTokenLookup(db: Pick<Database, 'run'>, uses: Pick<TokenUses, 'used'>): TokenLookup {
  return async (hash) => {
    const found = await findTokenOwner(db, hash);
    if (found !== null) uses.used(found.tokenId);
    return found;
  };
}
