import { hkdfSync } from 'node:crypto';
import type { Uuid } from '@everruns/contract';
import { resolveIdentity, spendLoginState } from '@everruns/storage';
import type { Database, Welcome } from '@everruns/storage';
import { EncryptJWT, errors, jwtDecrypt } from 'jose';
import { z } from 'zod';
import { hashOf, newSecret } from '../token-text.ts';
import { ProviderRefusal } from './provider.ts';
import type { LoginProvider } from './provider.ts';

/** Logins through providers. What an attempt needs to be finished is in a cookie that only this installation can read, and is used once. */
export interface ProviderLogins {
  readonly providers: readonly LoginProvider[];
  /** Rejects when the provider cannot be asked, or is not offered. */
  start(providerId: string, returnTo: string | null): Promise<{ url: URL; cookie: string }>;
  finish(providerId: string, query: URLSearchParams, cookie: string | undefined): Promise<FinishedLogin>;
}

export type FinishedLogin =
  | { kind: 'user'; userId: Uuid; outcome: 'known' | 'linked' | 'created'; returnTo: string | null }
  | { kind: 'refused'; error: ProviderLoginError; cause?: unknown; returnTo: string | null };

export type ProviderLoginError = 'oauth_cancelled' | 'oauth_not_permitted' | 'oauth_account_exists' | 'oauth_failed';

export interface ProviderLoginDeps {
  db: Database;
  newId: () => Uuid;
  /** What the key of the cookie is derived from. */
  secret: string;
  providers: readonly LoginProvider[];
  redirectUriOf: (provider: LoginProvider) => string;
  admitsNewcomers: boolean;
  welcome: Welcome;
  now: () => Date;
}

/** How long somebody may take at the provider. */
export const ATTEMPT_SECS = 600;

const Attempt = z.object({
  provider: z.string(),
  state: z.string(),
  nonce: z.string(),
  verifier: z.string(),
  returnTo: z.string().nullable(),
});
type Attempt = z.infer<typeof Attempt>;

export function createProviderLogins(deps: ProviderLoginDeps): ProviderLogins {
  const { db, providers } = deps;
  const cookies = attemptCookies(deps.secret, deps.now);
  const find = (id: string): LoginProvider | undefined => providers.find((provider) => provider.id === id);
  const finish = async (provider: LoginProvider, query: URLSearchParams, attempt: Attempt): Promise<FinishedLogin> => {
    const { returnTo, state } = attempt;
    if (attempt.provider !== provider.id || query.get('state') !== state || !(await spendLoginState(db, hashOf(state), ATTEMPT_SECS))) {
      return { kind: 'refused', error: 'oauth_failed', returnTo };
    }
    const vouched = await provider.finish({ ...attempt, redirectUri: deps.redirectUriOf(provider) }, query);
    const policy = { newUserId: deps.newId(), admitsNewcomers: deps.admitsNewcomers, welcome: deps.welcome };
    const resolved = await resolveIdentity(db, { provider: provider.id, ...vouched }, policy);
    if (resolved.kind === 'unproven') return { kind: 'refused', error: 'oauth_account_exists', returnTo };
    if (resolved.kind === 'no_newcomers') return { kind: 'refused', error: 'oauth_not_permitted', returnTo };
    return { kind: 'user', userId: resolved.userId, outcome: resolved.kind, returnTo };
  };
  return {
    providers,
    async start(providerId, returnTo) {
      const provider = find(providerId);
      if (provider === undefined) throw new Error('There is no such provider.');
      const attempt = { provider: provider.id, state: newSecret(), nonce: newSecret(), verifier: newSecret(), returnTo };
      const url = await provider.start({ ...attempt, redirectUri: deps.redirectUriOf(provider) });
      return { url, cookie: await cookies.seal(attempt) };
    },
    async finish(providerId, query, cookie) {
      const provider = find(providerId);
      const attempt = cookie === undefined ? null : await cookies.open(cookie);
      if (provider === undefined || attempt === null) return { kind: 'refused', error: 'oauth_failed', returnTo: null };
      try {
        return await finish(provider, query, attempt);
      } catch (cause) {
        const { returnTo } = attempt;
        if (!(cause instanceof ProviderRefusal)) return { kind: 'refused', error: 'oauth_failed', cause, returnTo };
        return { kind: 'refused', error: cause.reason === 'cancelled' ? 'oauth_cancelled' : 'oauth_not_permitted', returnTo };
      }
    },
  };
}

/** Authenticated encryption: nobody else can read, make or change one. */
function attemptCookies(secret: string, now: () => Date) {
  const key = Buffer.from(hkdfSync('sha256', secret, '', 'everruns logins through providers', 32));
  const algorithms = { keyManagementAlgorithms: ['dir'], contentEncryptionAlgorithms: ['A256GCM'] };
  return {
    seal: (attempt: Attempt): Promise<string> =>
      new EncryptJWT(attempt)
        .setProtectedHeader({ alg: 'dir', enc: 'A256GCM' })
        .setExpirationTime(Math.floor(now().getTime() / 1_000) + ATTEMPT_SECS)
        .encrypt(key),
    async open(cookie: string): Promise<Attempt | null> {
      try {
        const { payload } = await jwtDecrypt(cookie, key, { ...algorithms, requiredClaims: ['exp'], currentDate: now() });
        // One of another version is none.
        return Attempt.safeParse(payload).data ?? null;
      } catch (error) {
        if (error instanceof errors.JOSEError) return null;
        throw error;
      }
    },
  };
}
