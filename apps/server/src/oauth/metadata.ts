import { MCP_PATH } from '../mcp/routes.ts';
import { CLIENT_AUTH_METHODS, GRANT_TYPES, RESPONSE_TYPES, SCOPE } from './registration.ts';

/** Where everything is, relative to the root of the installation and whatever the prefix of the API. */
export const OAUTH_PATHS = {
  authorize: '/oauth/authorize',
  consent: '/oauth/consent',
  token: '/oauth/token',
  register: '/oauth/register',
  revoke: '/oauth/revoke',
  serverMetadata: '/.well-known/oauth-authorization-server',
  /** For the resource with this path alone (RFC 9728, section 3.1): the root is no protected resource. */
  resourceMetadata: `/.well-known/oauth-protected-resource${MCP_PATH}`,
} as const;

/** What tells an access token of this server from everything else that may be in the same header. */
export const ACCESS_TOKEN_PREFIX = 'evr_mcp_';

/** What tokens are for, and all that they are for. */
export function resourceOf(root: string): string {
  return `${root}${MCP_PATH}`;
}

/** RFC 8414. */
export function serverMetadata(root: string): Record<string, unknown> {
  return {
    issuer: root,
    authorization_endpoint: `${root}${OAUTH_PATHS.authorize}`,
    token_endpoint: `${root}${OAUTH_PATHS.token}`,
    registration_endpoint: `${root}${OAUTH_PATHS.register}`,
    revocation_endpoint: `${root}${OAUTH_PATHS.revoke}`,
    scopes_supported: [SCOPE],
    response_types_supported: RESPONSE_TYPES,
    response_modes_supported: ['query'],
    grant_types_supported: GRANT_TYPES,
    token_endpoint_auth_methods_supported: CLIENT_AUTH_METHODS,
    revocation_endpoint_auth_methods_supported: CLIENT_AUTH_METHODS,
    code_challenge_methods_supported: ['S256'],
    authorization_response_iss_parameter_supported: true,
  };
}

/** RFC 9728. */
export function resourceMetadata(root: string): Record<string, unknown> {
  return {
    resource: resourceOf(root),
    resource_name: 'Everruns',
    authorization_servers: [root],
    scopes_supported: [SCOPE],
    bearer_methods_supported: ['header'],
  };
}
