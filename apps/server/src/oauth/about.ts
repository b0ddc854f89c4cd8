import { MCP_PATH } from '../mcp/routes.ts';
import { OAUTH_PATHS } from './metadata.ts';

/** What the installation tells of itself to programs that come without knowing it. */

export interface Installation {
  root: string;
  apiPrefix: string;
  version: string;
  /** Mode none: nobody needs a credential. */
  isOpen: boolean;
}

export const CARD_PATH = '/.well-known/mcp/server-card.json';
export const AUTH_GUIDE_PATH = '/auth.md';

/** For directories of MCP servers and clients that look before they connect. */
export function serverCard({ root, version, isOpen }: Installation, tools: readonly { name: string; description: string }[]): object {
  return {
    name: 'everruns',
    title: 'Everruns',
    description: 'Run AI agents that survive crashes, and manage what they are made of.',
    version,
    endpoints: [{ url: `${root}${MCP_PATH}`, transport: 'streamable-http' }],
    authentication: isOpen
      ? { required: false }
      : { required: true, schemes: ['oauth2', 'bearer'], resource_metadata: `${root}${OAUTH_PATHS.resourceMetadata}` },
    tools: tools.map(({ name, description }) => ({ name, description })),
  };
}

/** How a program gets a credential, in words. */
export function authGuide({ root, apiPrefix, isOpen }: Installation): string {
  const api = `${root}${apiPrefix}`;
  const none = `# Authentication

This installation asks nobody for a credential: call the API below \`${api}/v1\` and the MCP endpoint \`${root}${MCP_PATH}\` as you are.
`;
  const some = `# Authentication

## The MCP endpoint: \`${root}${MCP_PATH}\`

- **OAuth 2.1**: ask without a credential; the 401 names the protected resource (\`${root}${OAUTH_PATHS.resourceMetadata}\`), which names this
  authorization server (\`${root}${OAUTH_PATHS.serverMetadata}\`). Register at \`POST ${root}${OAUTH_PATHS.register}\`, send your user to
  \`${root}${OAUTH_PATHS.authorize}\` with PKCE (S256), and exchange the code at \`${root}${OAUTH_PATHS.token}\`. Access tokens last 900 s; refresh
  tokens are good once. These tokens open the MCP endpoint and nothing else.
- **A personal access token** of your user, as below.

## The API: \`${api}/v1\`

- **A personal access token**: your user makes one with \`POST ${api}/v1/auth/personal-access-tokens\`, or lets you in by a code that you show
  (\`POST ${api}/v1/auth/device/code\`). Send it as \`Authorization: Bearer evr_pat_...\`.
- Choose an organization with \`X-Org-Id: org_...\`; \`GET ${api}/v1/orgs\` lists those that you reach.
- What there is: \`${root}/api-doc/openapi.json\`.

Requests without a valid credential are answered with 401, those that your user may not make with 403, and what belongs to others does not exist (404).
`;
  return isOpen ? none : some;
}
