import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { OAuthClientProvider } from '@modelcontextprotocol/sdk/client/auth.js';
import type { OAuthClientInformationMixed, OAuthTokens } from '@modelcontextprotocol/sdk/shared/auth.js';

export { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';
export type { Client };

/** What the official client keeps between its steps. */
export interface KeptByClient extends OAuthClientProvider {
  client: OAuthClientInformationMixed | undefined;
  kept: OAuthTokens | undefined;
  /** Where it sends its user. */
  wanted: URL | undefined;
}

export const REDIRECT_URI = 'http://127.0.0.1:33418/callback';

export function clientMemory(method: 'none' | 'client_secret_post' = 'none'): KeptByClient {
  let verifier = '';
  const memory: KeptByClient = {
    client: undefined,
    kept: undefined,
    wanted: undefined,
    redirectUrl: REDIRECT_URI,
    clientMetadata: {
      client_name: 'SDK client',
      redirect_uris: [REDIRECT_URI],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: method,
    },
    clientInformation: () => memory.client,
    saveClientInformation: (information) => void (memory.client = information),
    tokens: () => memory.kept,
    saveTokens: (tokens) => void (memory.kept = tokens),
    redirectToAuthorization: (url) => void (memory.wanted = url),
    saveCodeVerifier: (text) => void (verifier = text),
    codeVerifier: () => verifier,
    state: () => 'state-of-the-client',
  };
  return memory;
}

export function transportOf(url: string, memory: KeptByClient): StreamableHTTPClientTransport {
  return new StreamableHTTPClientTransport(new URL(`${url}/mcp`), { authProvider: memory });
}

export async function connected(transport: StreamableHTTPClientTransport): Promise<Client> {
  const client = new Client({ name: 'sdk', version: '1' });
  await client.connect(transport);
  return client;
}
