import { randomBytes } from 'node:crypto';
import { insertOAuthClient } from '@everruns/storage';
import type { Queryable } from '@everruns/storage';
import { hashOf } from '../identity/token-text.ts';
import { hasFreePorts, redirectUriProblem } from './redirect-uris.ts';
import type { ApplicationType } from './redirect-uris.ts';

/** Clients that introduce themselves (RFC 7591). Nothing of what they say is believed; it is shown to the user, who decides. */

export const SCOPE = 'mcp';
export const GRANT_TYPES = ['authorization_code', 'refresh_token'];
export const RESPONSE_TYPES = ['code'];
export const CLIENT_AUTH_METHODS = ['client_secret_post', 'none'];

const MAX_REDIRECT_URIS = 10;
const MAX_NAME = 200;

export interface RegistrationError {
  error: 'invalid_redirect_uri' | 'invalid_client_metadata';
  error_description: string;
}

interface Registration {
  client_name: string;
  redirect_uris: string[];
  application_type: ApplicationType;
  token_endpoint_auth_method: string;
}

/** What a client may register as, or why not. Members that are not known are ignored, as the RFC has it. */
export function parseRegistration(body: unknown): Registration | RegistrationError {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return invalid('The body is a JSON object.');
  const { client_name: name = 'MCP client', redirect_uris: uris, application_type: type, ...rest } = body as Record<string, unknown>;
  if (typeof name !== 'string' || name.trim() === '' || name.length > MAX_NAME || /\p{C}/u.test(name)) {
    return invalid(`client_name: a text of 1 to ${MAX_NAME} characters.`);
  }
  if (type !== undefined && type !== 'native' && type !== 'web') return invalid('application_type: native or web.');
  if (!Array.isArray(uris) || uris.length === 0 || uris.length > MAX_REDIRECT_URIS) {
    return { error: 'invalid_redirect_uri', error_description: `redirect_uris: 1 to ${MAX_REDIRECT_URIS} of them.` };
  }
  const wrong = uris.map((uri) => redirectUriProblem(uri, type)).find((problem) => problem !== null);
  if (wrong !== undefined) return { error: 'invalid_redirect_uri', error_description: wrong };
  const problem = unsupported(rest);
  if (problem !== null) return invalid(problem);
  return {
    client_name: name.trim(),
    redirect_uris: uris as string[],
    application_type: type ?? (hasFreePorts(uris as string[]) ? 'native' : 'web'),
    token_endpoint_auth_method: rest['token_endpoint_auth_method'] === 'none' ? 'none' : 'client_secret_post',
  };
}

function unsupported({
  grant_types: grants,
  response_types: responses,
  token_endpoint_auth_method: method,
}: Record<string, unknown>): string | null {
  if (grants !== undefined && !(Array.isArray(grants) && grants.includes('authorization_code'))) {
    return 'grant_types: authorization_code has to be among them.';
  }
  if (responses !== undefined && !(Array.isArray(responses) && responses.includes('code')))
    return 'response_types: code has to be among them.';
  // Whoever asks for Basic authentication is told of the method that there is instead.
  const known = [undefined, 'client_secret_basic', ...CLIENT_AUTH_METHODS];
  return known.includes(method as string | undefined) ? null : `token_endpoint_auth_method: ${CLIENT_AUTH_METHODS.join(' or ')}.`;
}

function invalid(description: string): RegistrationError {
  return { error: 'invalid_client_metadata', error_description: description };
}

/** The client's answer. Its secret is in here and nowhere else. */
export async function register(db: Queryable, wanted: Registration, nowMs: number): Promise<Record<string, unknown>> {
  const id = `mcp_client_${randomBytes(16).toString('hex')}`;
  const secret = wanted.token_endpoint_auth_method === 'none' ? null : `mcp_secret_${randomBytes(32).toString('hex')}`;
  const shared = { ...wanted, grant_types: GRANT_TYPES, response_types: RESPONSE_TYPES, scope: SCOPE };
  // The provider leaves ports free for what it calls native, and compares everything else exactly.
  const metadata = { ...shared, application_type: hasFreePorts(wanted.redirect_uris) ? 'native' : 'web' };
  await insertOAuthClient(db, { id, secretHash: secret === null ? null : hashOf(secret), metadata });
  return {
    client_id: id,
    client_id_issued_at: Math.floor(nowMs / 1_000),
    ...(secret === null ? {} : { client_secret: secret, client_secret_expires_at: 0 }),
    ...shared,
  };
}
