import type { FastifyReply } from 'fastify';
import { ORG_COOKIE } from './organization-choice.ts';

/** Cookies of a login in a browser. Pages cannot read the tokens, and the refresh token travels only within the site. */

export const ACCESS_COOKIE = 'access_token';
export const REFRESH_COOKIE = 'refresh_token';

export interface CookieSettings {
  /** People reach the installation by https alone. */
  isHttpsOnly: boolean;
  accessSecs: number;
  refreshSecs: number;
}

interface Tokens {
  accessToken: string;
  refreshToken: string;
}

export function setLoginCookies(reply: FastifyReply, { accessToken, refreshToken }: Tokens, settings: CookieSettings): void {
  const { isHttpsOnly: secure, accessSecs, refreshSecs } = settings;
  reply.setCookie(ACCESS_COOKIE, accessToken, { httpOnly: true, sameSite: 'lax', path: '/', secure, maxAge: accessSecs });
  reply.setCookie(REFRESH_COOKIE, refreshToken, { httpOnly: true, sameSite: 'strict', path: '/', secure, maxAge: refreshSecs });
}

export function clearLoginCookies(reply: FastifyReply, { isHttpsOnly: secure }: CookieSettings): void {
  reply.clearCookie(ACCESS_COOKIE, { httpOnly: true, sameSite: 'lax', path: '/', secure });
  reply.clearCookie(REFRESH_COOKIE, { httpOnly: true, sameSite: 'strict', path: '/', secure });
  reply.clearCookie(ORG_COOKIE, { sameSite: 'lax', path: '/', secure });
}
