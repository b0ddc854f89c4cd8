import { PlatformError } from '@everruns/contract';
import type { OAuthAccess } from '@everruns/storage';
import type { FastifyRequest } from 'fastify';
import { callerOf, credentialOf } from '../http/authenticate.ts';
import type { Authenticate } from '../http/authenticate.ts';
import type { KnownUser } from '../identity/lookup.ts';
import { hashOf } from '../identity/token-text.ts';
import { ACCESS_TOKEN_PREFIX, resourceOf } from './metadata.ts';

export interface McpAuthenticateDeps {
  /** What the REST API accepts, of which personal access tokens are good here too. */
  authenticate: Authenticate;
  /** Finds whom an access token lets in by its SHA-256. */
  access: (hash: Buffer) => Promise<OAuthAccess | null>;
  admits: (user: KnownUser) => boolean;
  publicUrl: () => string;
}

const ACCESS_TOKEN = new RegExp(`^bearer\\s+(${ACCESS_TOKEN_PREFIX}[0-9a-f]{64})\\s*$`, 'i');

/**
 * The MCP endpoint takes personal access tokens and its own access tokens, from the header alone: a login, in a cookie or not, belongs to
 * a browser, where pages of others could make use of it.
 */
export function createMcpAuthenticate({ authenticate, access, admits, publicUrl }: McpAuthenticateDeps): Authenticate {
  return async (request) => {
    const header = request.headers.authorization;
    const token = ACCESS_TOKEN.exec(header ?? '')?.[1];
    if (token !== undefined) {
      const found = await access(hashOf(token));
      if (found === null || found.audience !== resourceOf(publicUrl()) || !admits(found.user)) throw refused();
      const { user, grantId } = found;
      return callerOf({ user, kind: 'mcp_access_token', id: grantId, scopes: ['*'], boundOrgId: null }, withoutCookies(request));
    }
    if (credentialOf(header, undefined)?.kind !== 'token') throw refused();
    return authenticate(withoutCookies(request));
  };
}

function withoutCookies(request: FastifyRequest): FastifyRequest {
  return Object.create(request, { cookies: { value: {} } }) as FastifyRequest;
}

function refused(): PlatformError {
  return new PlatformError('unauthenticated', 'This endpoint takes a personal access token, or an access token that was given for it.');
}
