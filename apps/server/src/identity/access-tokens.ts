import { createSecretKey } from 'node:crypto';
import type { Uuid } from '@everruns/contract';
import { isUuid } from '@everruns/contract';
import { errors, jwtVerify, SignJWT } from 'jose';
import type { KnownUser } from './lookup.ts';

/**
 * Access tokens of logins: short, signed, and believed for nothing but which login session they belong to. Name, address and roles are in
 * them for clients to show.
 */
export interface AccessTokens {
  /** Seconds. */
  readonly lifetimeSecs: number;
  sign(user: KnownUser, sessionId: Uuid): Promise<string>;
  /** Null for whatever is not a living access token of ours. */
  verify(token: string): Promise<{ userId: Uuid; sessionId: Uuid } | null>;
}

const ALGORITHM = 'HS256';
const TYPE = 'access';

export interface AccessTokenOptions {
  secret: string;
  lifetimeSecs: number;
  now: () => Date;
}

export function createAccessTokens({ secret, lifetimeSecs, now }: AccessTokenOptions): AccessTokens {
  const key = createSecretKey(Buffer.from(secret));
  return {
    lifetimeSecs,
    sign(user, sessionId) {
      const roles = [...new Set(user.memberships.map(({ role }) => role))];
      const issuedAt = Math.floor(now().getTime() / 1_000);
      return new SignJWT({ email: user.email, name: user.name, roles, token_type: TYPE, sid: sessionId })
        .setProtectedHeader({ alg: ALGORITHM, typ: 'JWT' })
        .setSubject(user.userId)
        .setIssuedAt(issuedAt)
        .setExpirationTime(issuedAt + lifetimeSecs)
        .sign(key);
    },
    async verify(token) {
      try {
        const { payload } = await jwtVerify(token, key, {
          algorithms: [ALGORITHM],
          requiredClaims: ['sub', 'sid', 'iat', 'exp'],
          currentDate: now(),
        });
        const { sub: userId, sid: sessionId, token_type: type } = payload;
        if (type !== TYPE || typeof userId !== 'string' || typeof sessionId !== 'string') return null;
        return isUuid(userId) && isUuid(sessionId) ? { userId, sessionId } : null;
      } catch (error) {
        if (error instanceof errors.JOSEError) return null;
        throw error;
      }
    },
  };
}
