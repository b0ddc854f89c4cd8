import { ANONYMOUS_USER_ID, DEFAULT_ORG_ID, fromPublicId, PlatformError, ROLE_PERMISSIONS, withinScopes } from '@everruns/contract';
import type { Uuid } from '@everruns/contract';
import type { FastifyRequest } from 'fastify';
import type { AccessTokens } from '../identity/access-tokens.ts';
import type { KnownUser, LoginLookup, TokenLookup } from '../identity/lookup.ts';
import { hashOf, isTokenText, TOKEN_PREFIX } from '../identity/token-text.ts';
import { ACCESS_COOKIE } from './auth-cookies.ts';
import { ANYONE } from './caller.ts';
import type { Caller } from './caller.ts';
import { chooseOrganization, noSuchOrganization, ORG_COOKIE, ORG_HEADER, requireId } from './organization-choice.ts';
import type { RoleOf } from './path-organization.ts';
import { requireOwnMachine, requireOwnOrigin } from './own-origin.ts';
import type { OwnMachine, TrustsOrigin } from './own-origin.ts';

/** Says who calls and in which organization, or throws `unauthenticated`, `forbidden`, `malformed_id`, `not_found`. */
export type Authenticate = (request: FastifyRequest) => Caller | Promise<Caller>;

const READS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Auth mode `none`: everybody is the anonymous administrator of the default organization, whatever credential comes along, or the owner of one that
 * the anonymous user has made, where a request chooses it. Every other one is as good as missing. Only that choice costs a statement. Pages of
 * elsewhere are nobody.
 */
export function anyoneIn(roleOf: RoleOf, machine: OwnMachine): Authenticate {
  return (request) => {
    requireOwnMachine(request, machine);
    const { headers, cookies } = request;
    const header = headers[ORG_HEADER];
    const remembered = header === undefined ? fromPublicId('organization', cookies?.[ORG_COOKIE] ?? '') : null;
    const wanted = header === undefined ? remembered : requireId(header);
    return wanted === null || wanted === DEFAULT_ORG_ID ? ANYONE : anyoneElsewhere(wanted, { roleOf, isNamed: header !== undefined });
  };
}

async function anyoneElsewhere(orgId: Uuid, { roleOf, isNamed }: { roleOf: RoleOf; isNamed: boolean }): Promise<Caller> {
  const role = await roleOf(orgId, ANONYMOUS_USER_ID);
  if (role !== null) return { ...ANYONE, orgId, role, permissions: ROLE_PERMISSIONS[role] };
  // A cookie may be left over from before.
  if (!isNamed) return ANYONE;
  throw noSuchOrganization();
}

export interface AuthenticateDeps {
  accessTokens: Pick<AccessTokens, 'verify'>;
  logins: LoginLookup;
  tokens: TokenLookup;
  /** Whether somebody with a valid credential may come in at all in this mode. */
  admits: (user: KnownUser) => boolean;
  trustsOrigin: TrustsOrigin;
}

/** The header speaks first: a request that has one is not let in by its cookie. One statement, whatever the credential. */
export function createAuthenticate(deps: AuthenticateDeps): Authenticate {
  return async (request) => {
    const cookie = request.cookies[ACCESS_COOKIE];
    const credential = credentialOf(request.headers.authorization, cookie);
    const found =
      credential === null ? null : await (credential.kind === 'login' ? ofLogin(deps, credential.text) : ofToken(deps, credential.text));
    if (credential === null || found === null || found.user.userId === ANONYMOUS_USER_ID || !deps.admits(found.user)) {
      throw new PlatformError('unauthenticated', 'There is no credential with the request, or it is not valid (any more).');
    }
    if (credential.isCookie && !READS.has(request.method)) requireOwnOrigin(request, deps.trustsOrigin);
    return callerOf(found, request);
  };
}

export interface FoundCredential {
  user: KnownUser;
  kind: Caller['credential']['kind'];
  id: Uuid;
  scopes: readonly string[];
  /** Null: every organization of the user. */
  boundOrgId: Uuid | null;
}

/** Who this is in the organization that the request chooses. What is bound to one organization, or narrowed, is no operator's. */
export function callerOf(found: FoundCredential, { headers, cookies }: Pick<FastifyRequest, 'headers' | 'cookies'>): Caller {
  const { user, kind, id, scopes, boundOrgId } = found;
  const chosen = chooseOrganization(user, { header: headers[ORG_HEADER], cookie: cookies[ORG_COOKIE] }, boundOrgId);
  return {
    userId: user.userId,
    orgId: chosen?.orgId ?? null,
    role: chosen?.role ?? null,
    permissions: chosen === null ? new Set() : withinScopes(ROLE_PERMISSIONS[chosen.role], scopes),
    isPlatformUser: user.isPlatformUser && boundOrgId === null && scopes.includes('*'),
    credential: { kind, id, scopes, boundOrgId },
  };
}

interface Credential {
  kind: 'login' | 'token';
  text: string;
  isCookie: boolean;
}

/** `Bearer <access token>`, `Bearer evr_pat_...`, `ApiKey evr_pat_...`, `evr_pat_...`, or the cookie. Null for anything else. */
export function credentialOf(header: string | undefined, cookie: string | undefined): Credential | null {
  if (header === undefined) return cookie === undefined ? null : { kind: 'login', text: cookie, isCookie: true };
  const [, scheme, text = ''] = /^\s*(?:(bearer|apikey)\s+)?(\S+)\s*$/i.exec(header) ?? [];
  if (text.startsWith(TOKEN_PREFIX)) return { kind: 'token', text, isCookie: false };
  return scheme?.toLowerCase() === 'bearer' ? { kind: 'login', text, isCookie: false } : null;
}

async function ofLogin({ accessTokens, logins }: AuthenticateDeps, text: string): Promise<FoundCredential | null> {
  const claims = await accessTokens.verify(text);
  const user = claims === null ? null : await logins(claims);
  if (claims === null || user === null) return null;
  return { user, kind: 'login', id: claims.sessionId, scopes: ['*'], boundOrgId: null };
}

async function ofToken({ tokens }: AuthenticateDeps, text: string): Promise<FoundCredential | null> {
  const found = isTokenText(text) ? await tokens(hashOf(text)) : null;
  if (found === null) return null;
  return { user: found.owner, kind: 'personal_access_token', id: found.tokenId, scopes: found.scopes, boundOrgId: found.boundOrgId };
}
