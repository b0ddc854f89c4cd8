import { PlatformError } from '@everruns/contract';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Identity } from '../identity/identity.ts';
import { ACCESS_COOKIE, REFRESH_COOKIE, setLoginCookies } from './auth-cookies.ts';
import type { Caller } from './caller.ts';

/** Who looks at a page, by the cookies of their browser; null for somebody who has to log in first. */
export type BrowserLogin = (request: FastifyRequest, reply: FastifyReply) => Promise<Caller | null>;

/**
 * A page has no script that would ask for a new access token when the old one has run out, so the refresh token is spent here. It comes only
 * with requests that began on our own site or with the visitor.
 */
export function createBrowserLogin(identity: Identity, isHttpsOnly: boolean): BrowserLogin {
  const { auth, authenticate, logins } = identity;
  const known = async (request: FastifyRequest): Promise<Caller | null> => {
    try {
      return await authenticate(request);
    } catch (error) {
      if (isNobody(error)) return null;
      throw error;
    }
  };
  return async (request, reply) => {
    const caller = await known(request);
    const refreshToken = request.cookies[REFRESH_COOKIE];
    if (caller !== null || refreshToken === undefined || auth.mode === 'none' || request.headers.authorization !== undefined) return caller;
    try {
      const refreshed = await logins.refresh(refreshToken);
      const accessToken = refreshed.response.access_token;
      setLoginCookies(reply, { accessToken, refreshToken: refreshed.refreshToken }, { ...auth, isHttpsOnly });
      request.cookies[ACCESS_COOKIE] = accessToken;
      return await known(request);
    } catch (error) {
      if (isNobody(error)) return null;
      throw error;
    }
  };
}

function isNobody(error: unknown): boolean {
  return error instanceof PlatformError && error.code === 'unauthenticated';
}
