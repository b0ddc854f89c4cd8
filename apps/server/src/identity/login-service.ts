import { createHash, timingSafeEqual } from 'node:crypto';
import { PlatformError } from '@everruns/contract';
import type { IdSource, Login, TokenResponse, Uuid } from '@everruns/contract';
import { endLogin, endLoginOfToken, endReplayedLogin, ensureOperator, findPasswordOwner, openLogin, rotateLogin } from '@everruns/storage';
import type { Database } from '@everruns/storage';
import type { AuthSettings } from '../config-auth.ts';
import type { AuthLimits } from '../limits/auth-limits.ts';
import type { AccessTokens } from './access-tokens.ts';
import type { KnownUser } from './lookup.ts';
import type { Passwords } from './passwords.ts';
import { hashOf, newSecret } from './token-text.ts';

/** Where a login comes from, for its owner to recognise. */
export interface LoginClient {
  userAgent: string | null;
  ip: string;
}

export interface OpenedLogin {
  user: KnownUser;
  sessionId: Uuid;
  refreshToken: string;
  response: TokenResponse;
}

export interface LoginService {
  /** Throws `unauthenticated` with one text for whatever is wrong, `rate_limited`, and `login_not_offered`. */
  byPassword(request: Login, client: LoginClient): Promise<OpenedLogin>;
  /** For somebody who has shown otherwise who they are. Throws `unauthenticated` when the user is gone. */
  open(userId: Uuid, client: LoginClient): Promise<OpenedLogin>;
  /** Spends the token for a new pair; of two at once, one gets it. Throws `unauthenticated`. */
  refresh(token: string): Promise<OpenedLogin>;
  /** Ends the login of an access token's session, or of a refresh token; whatever is not known is ended already. */
  end(login: { sessionId: Uuid } | { refreshToken: string }): Promise<void>;
}

export interface LoginDeps {
  db: Database;
  ids: IdSource;
  auth: AuthSettings;
  passwords: Passwords;
  limits: AuthLimits;
  accessTokens: AccessTokens;
}

/** A client that sends one request twice shows a spent token soon; who shows it later has it from somebody else. */
const REPLAY_GRACE_SECS = 30;
const MAX_USER_AGENT = 512;

export function createLoginService(deps: LoginDeps): LoginService {
  const { db, ids, auth, accessTokens } = deps;
  const pairOf = async (user: KnownUser, sessionId: Uuid, refreshToken: string): Promise<OpenedLogin> => ({
    user,
    sessionId,
    refreshToken,
    response: {
      access_token: await accessTokens.sign(user, sessionId),
      token_type: 'Bearer',
      expires_in: accessTokens.lifetimeSecs,
      refresh_token: refreshToken,
    },
  });
  const open = async (userId: Uuid, passwordHash: string | null, { userAgent, ip }: LoginClient): Promise<OpenedLogin | null> => {
    const [sessionId, refreshToken] = [ids.next(), newSecret()];
    const user = await openLogin(db, {
      sessionId,
      userId,
      passwordHash,
      refreshHash: hashOf(refreshToken),
      lifetimeSecs: auth.refreshSecs,
      userAgent: userAgent?.slice(0, MAX_USER_AGENT) ?? null,
      ip,
    });
    return user === null ? null : pairOf(user, sessionId, refreshToken);
  };
  return {
    async byPassword(request, client) {
      if (!auth.hasPasswords) throw new PlatformError('login_not_offered', 'Nobody logs in by password here.');
      await deps.limits.ofAccount(request.email);
      const owner = await (auth.mode === 'admin' ? ownerInEnvironment(deps, request) : ownerInDatabase(deps, request));
      const opened = owner === null ? null : await open(owner.userId, owner.passwordHash, client);
      if (opened === null) throw new PlatformError('unauthenticated', 'The e-mail address or the password is wrong.');
      return opened;
    },
    async open(userId, client) {
      const opened = await open(userId, null, client);
      if (opened === null) throw ended();
      return opened;
    },
    async refresh(token) {
      const next = newSecret();
      const hash = hashOf(token);
      const rotated = await rotateLogin(db, { hash, nextHash: hashOf(next), lifetimeSecs: auth.refreshSecs });
      if (rotated !== null) return pairOf(rotated.user, rotated.sessionId, next);
      await endReplayedLogin(db, hash, REPLAY_GRACE_SECS);
      throw ended();
    },
    async end(login) {
      if ('sessionId' in login) await endLogin(db, login.sessionId);
      else await endLoginOfToken(db, hashOf(login.refreshToken));
    },
  };
}

function ended(): PlatformError {
  return new PlatformError('unauthenticated', 'The login has ended. Log in again.');
}

interface Owner {
  userId: Uuid;
  passwordHash: string | null;
}

/** The hash is checked before anything is looked at that depends on the account, so that every refusal takes as long as another. */
async function ownerInDatabase({ db, auth, passwords }: LoginDeps, { email, password }: Login): Promise<Owner | null> {
  const found = await findPasswordOwner(db, email);
  const isRight = await passwords.verify(found?.password_hash ?? null, password);
  if (!isRight || found === null) return null;
  // Where people sign up by proving an address, it would tell for which ones they have.
  if (!found.is_verified && auth.signup === 'confirmed') return null;
  return { userId: found.id, passwordHash: found.password_hash };
}

/** Mode `admin`: the account of the one whose password is in the environment is made when they first come. */
async function ownerInEnvironment({ db, ids, auth }: LoginDeps, { email, password }: Login): Promise<Owner | null> {
  const { admin } = auth;
  if (admin?.password == null) return null;
  const isRight = isSame(email, admin.email) && isSame(password, admin.password);
  if (!isRight) return null;
  const userId = await ensureOperator(db, { userId: ids.next(), email: admin.email, name: nameOf(admin.email), passwordHash: null });
  return userId === null ? null : { userId, passwordHash: null };
}

/** In a time that tells nothing. */
function isSame(given: string, expected: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}

/** A first name for somebody of whom only the address is known. */
export function nameOf(email: string): string {
  return email.split('@')[0] ?? email;
}
