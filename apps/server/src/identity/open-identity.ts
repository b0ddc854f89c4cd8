import type { IdSource } from '@everruns/contract';
import type { Database } from '@everruns/storage';
import type { Logger } from 'pino';
import type { ServerConfig } from '../config.ts';
import { createAuthLimits, withLocalFallback } from '../limits/auth-limits.ts';
import type { Limiter } from '../limits/limiter.ts';
import { createMemoryLimiter } from '../limits/memory-limiter.ts';
import { createIdentity, prepareIdentity } from './identity.ts';
import type { Identity } from './identity.ts';
import { openTransport } from './mail/transport.ts';
import { createPasswords } from './passwords.ts';
import { createTokenLookup, createTokenUses } from './token-uses.ts';

export interface OpenIdentityParts {
  db: Database;
  log: Logger;
  ids: IdSource;
  limiter: Limiter;
  publicUrl: () => string;
}

/** The identity of a control plane, as its configuration has it. Guessing is limited by this instance alone while nobody counts for all of them. */
export async function openIdentity(config: Pick<ServerConfig, 'auth' | 'corsOrigins'>, parts: OpenIdentityParts): Promise<Identity> {
  const { db, log, ids, limiter, publicUrl } = parts;
  const { auth } = config;
  const passwords = await createPasswords();
  await prepareIdentity({ db, ids, auth, passwords });
  const uses = createTokenUses({
    db,
    nowMs: () => performance.now(),
    onError: (error) => log.warn({ err: error }, 'use of a token not noted'),
  });
  const counter = withLocalFallback(limiter, createMemoryLimiter({ nowMs: () => performance.now() }));
  const identity = createIdentity({
    db,
    ids,
    auth,
    passwords,
    limits: createAuthLimits(counter, auth.rates),
    tokens: createTokenLookup(db, uses),
    transport: openTransport(auth.mail, log),
    publicUrl,
    corsOrigins: config.corsOrigins,
    now: () => new Date(),
    log,
  });
  return {
    ...identity,
    async stop() {
      await identity.stop();
      await uses.settled();
    },
  };
}
