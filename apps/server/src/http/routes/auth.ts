import {
  AuthConfig,
  Done,
  ForAddress,
  Login,
  PlatformError,
  Refresh,
  Register,
  ResetPassword,
  TokenResponse,
  VerifyEmail,
} from '@everruns/contract';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { OpenedLogin } from '../../identity/login-service.ts';
import type { Identity } from '../../identity/identity.ts';
import type { AuthAction } from '../../limits/auth-limits.ts';
import { clearLoginCookies, REFRESH_COOKIE, setLoginCookies } from '../auth-cookies.ts';
import type { CookieSettings } from '../auth-cookies.ts';
import { requireOwnOrigin } from '../own-origin.ts';
import { addressOf } from '../rate-limits.ts';
import type { Api } from '../types.ts';

export interface AuthRouteDeps {
  identity: Identity;
  /** Providers of logins, by the name in their path. */
  loginProviders: readonly string[];
  isHttpsOnly: boolean;
  proxyHops: number;
}

const tags = ['Auth'];
/** Each tells of itself what happened; a request for a mail tells nothing, for that it was made at all is nobody's business. */
const config = { open: true, audit: 'nothing' } as const;

/** Logging in and what belongs to it (contract 2.2). */
export function authRoutes(app: Api, deps: AuthRouteDeps): void {
  authConfigRoute(app, deps);
  loginRoutes(app, deps);
  accountRoutes(app, deps);
}

/** What a login page needs to know, before anybody is logged in. */
function authConfigRoute(app: Api, { identity, loginProviders }: AuthRouteDeps): void {
  const { auth, mailer } = identity;
  app.get('/v1/auth/config', { schema: { tags, operationId: 'getAuthConfig', response: { 200: AuthConfig } }, config }, async () => ({
    mode: auth.mode,
    password_auth_enabled: auth.hasPasswords,
    oauth_providers: [...loginProviders],
    signup_enabled: auth.signup !== 'closed',
    ...(auth.signup !== 'closed' && { signup_email_confirm: auth.signup === 'confirmed' }),
    ...(auth.mode !== 'none' && { password_recovery_enabled: auth.mode === 'full' && auth.hasPasswords && mailer.isEnabled }),
  }));
}

/** Says so in the log of changes, and hands the tokens over. */
export async function welcome(
  request: FastifyRequest,
  reply: FastifyReply,
  opened: OpenedLogin & { cookies: CookieSettings },
): Promise<TokenResponse> {
  const { user, sessionId, response, refreshToken, cookies } = opened;
  await request.recordAudit({
    action: 'auth.login.success',
    actorUserId: user.userId,
    credential: { kind: 'login', id: sessionId },
    target: { type: 'user', id: user.userId },
  });
  setLoginCookies(reply, { accessToken: response.access_token, refreshToken }, cookies);
  return response;
}

function loginRoutes(app: Api, { identity, isHttpsOnly, proxyHops }: AuthRouteDeps): void {
  const { logins, accounts, auth, limits } = identity;
  const cookies: CookieSettings = { isHttpsOnly, accessSecs: auth.accessSecs, refreshSecs: auth.refreshSecs };
  const clientOf = (request: FastifyRequest) => ({ userAgent: request.headers['user-agent'] ?? null, ip: addressOf(request, proxyHops) });
  const limited = (action: AuthAction) => async (request: FastifyRequest) => limits.ofAddress(action, addressOf(request, proxyHops));
  app.post(
    '/v1/auth/login',
    { schema: { tags, operationId: 'login', body: Login, response: { 200: TokenResponse } }, config, preHandler: limited('login') },
    async (request, reply) => {
      try {
        return await welcome(request, reply, { ...(await logins.byPassword(request.body, clientOf(request))), cookies });
      } catch (error) {
        if (error instanceof PlatformError && error.code === 'unauthenticated') {
          await request.recordAudit({ action: 'auth.login.failure', actorUserId: null, target: null });
        }
        throw error;
      }
    },
  );
  app.post(
    '/v1/auth/register',
    {
      schema: { tags, operationId: 'register', body: Register, response: { 200: Done, 201: TokenResponse } },
      config,
      preHandler: limited('register'),
    },
    async (request, reply) => {
      const userId = await accounts.register(request.body);
      if (userId === null) return { ok: true as const };
      await request.recordAudit({ action: 'auth.register.success', actorUserId: userId, target: { type: 'user', id: userId } });
      return reply.code(201).send(await welcome(request, reply, { ...(await logins.open(userId, clientOf(request))), cookies }));
    },
  );
  app.post(
    '/v1/auth/refresh',
    {
      schema: { tags, operationId: 'refreshLogin', body: Refresh, response: { 200: TokenResponse } },
      config,
      preHandler: limited('refresh'),
    },
    async (request, reply) => {
      const token = refreshTokenOf(request, identity);
      if (token === null) throw new PlatformError('unauthenticated', 'There is no refresh token with the request.');
      const refreshed = await logins.refresh(token);
      await request.recordAudit({
        action: 'auth.token_refresh.success',
        actorUserId: refreshed.user.userId,
        credential: { kind: 'login', id: refreshed.sessionId },
        target: null,
      });
      setLoginCookies(reply, { accessToken: refreshed.response.access_token, refreshToken: refreshed.refreshToken }, cookies);
      return refreshed.response;
    },
  );
  app.post(
    '/v1/auth/logout',
    { schema: { tags, operationId: 'logout', body: Refresh, response: { 200: Done } }, config },
    async (request, reply) => {
      const token = refreshTokenOf(request, identity);
      if (token !== null) await logins.end({ refreshToken: token });
      const caller = auth.mode === 'none' ? null : await callerOrNull(request, identity);
      if (caller?.credential.kind === 'login' && caller.credential.id !== null) await logins.end({ sessionId: caller.credential.id });
      if (caller !== null)
        await request.recordAudit({ action: 'auth.logout', actorUserId: caller.userId, credential: caller.credential, target: null });
      clearLoginCookies(reply, cookies);
      return { ok: true as const };
    },
  );
}

/** What the body says comes first; the cookie speaks only for our own pages. */
function refreshTokenOf(
  request: FastifyRequest<{ Body: { refresh_token?: string | null | undefined } }>,
  identity: Identity,
): string | null {
  const given = request.body.refresh_token;
  if (given != null && given !== '') return given;
  const cookie = request.cookies[REFRESH_COOKIE];
  if (cookie === undefined || cookie === '') return null;
  requireOwnOrigin(request, identity.trustsOrigin);
  return cookie;
}

/** Whoever it was, a logout with a credential that has ended is a logout. */
async function callerOrNull(request: FastifyRequest, { authenticate }: Identity) {
  try {
    return await authenticate(request);
  } catch (error) {
    if (error instanceof PlatformError && error.code !== 'forbidden') return null;
    throw error;
  }
}

function accountRoutes(app: Api, { identity, proxyHops }: AuthRouteDeps): void {
  const { accounts, limits } = identity;
  const preHandler = async (request: FastifyRequest) => limits.ofAddress('register', addressOf(request, proxyHops));
  const response = { 200: Done };
  const ok = { ok: true as const };
  app.post(
    '/v1/auth/forgot-password',
    { schema: { tags, operationId: 'forgotPassword', body: ForAddress, response }, config, preHandler },
    async ({ body }) => {
      await accounts.forgotPassword(body.email);
      return ok;
    },
  );
  app.post(
    '/v1/auth/resend-verification',
    { schema: { tags, operationId: 'resendVerification', body: ForAddress, response }, config, preHandler },
    async ({ body }) => {
      await accounts.resendVerification(body.email);
      return ok;
    },
  );
  app.post(
    '/v1/auth/reset-password',
    { schema: { tags, operationId: 'resetPassword', body: ResetPassword, response }, config, preHandler },
    async (request) => {
      const { userId } = await accounts.resetPassword(request.body);
      await request.recordAudit({ action: 'auth.password.reset', actorUserId: userId, target: { type: 'user', id: userId } });
      return ok;
    },
  );
  app.post(
    '/v1/auth/verify-email',
    { schema: { tags, operationId: 'verifyEmail', body: VerifyEmail, response }, config, preHandler },
    async (request) => {
      const { userId } = await accounts.verifyEmail(request.body.token);
      await request.recordAudit({ action: 'auth.email.verified', actorUserId: userId, target: { type: 'user', id: userId } });
      return ok;
    },
  );
}
