import { createHash, randomBytes } from 'node:crypto';

/** A client of a test that can do everything wrong. */
export interface PlainClient {
  id: string;
  secret: string | undefined;
  redirectUri: string;
}

export interface TokenAnswer {
  status: number;
  json: { access_token?: string; refresh_token?: string; error?: string; error_description?: string; scope?: string; expires_in?: number };
}

export const VERIFIER = 'v'.repeat(64);
export const CHALLENGE = createHash('sha256').update(VERIFIER).digest('base64url');

export async function registerClient(url: string, redirectUri: string, metadata: object = {}): Promise<PlainClient> {
  const { status, json } = await sendRegistration(url, { client_name: 'Plain', redirect_uris: [redirectUri], ...metadata });
  if (status !== 201) throw new Error(JSON.stringify(json));
  return { id: json['client_id'] as string, secret: json['client_secret'] as string | undefined, redirectUri };
}

export async function sendRegistration(
  url: string,
  body: unknown,
): Promise<{ status: number; json: Record<string, unknown>; headers: Headers }> {
  const response = await fetch(`${url}/oauth/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  return { status: response.status, json: (await response.json()) as Record<string, unknown>, headers: response.headers };
}

/** `changes`: null leaves a parameter out. */
export function authorizeUrl(url: string, client: PlainClient, changes: Record<string, string | null> = {}): string {
  const parameters: Record<string, string | null> = {
    client_id: client.id,
    redirect_uri: client.redirectUri,
    response_type: 'code',
    code_challenge: CHALLENGE,
    code_challenge_method: 'S256',
    state: randomBytes(8).toString('hex'),
    scope: 'mcp',
    ...changes,
  };
  return `${url}/oauth/authorize?${encoded(parameters)}`;
}

export async function askForTokens(url: string, form: Record<string, string | undefined>): Promise<TokenAnswer> {
  const response = await fetch(`${url}/oauth/token`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: encoded(form),
  });
  return { status: response.status, json: (await response.json()) as TokenAnswer['json'] };
}

export function exchange(
  url: string,
  client: PlainClient,
  code: string,
  changes: Record<string, string | undefined> = {},
): Promise<TokenAnswer> {
  return askForTokens(url, {
    grant_type: 'authorization_code',
    client_id: client.id,
    client_secret: client.secret,
    redirect_uri: client.redirectUri,
    code_verifier: VERIFIER,
    code,
    ...changes,
  });
}

export function refresh(
  url: string,
  client: PlainClient,
  token: string,
  changes: Record<string, string | undefined> = {},
): Promise<TokenAnswer> {
  return askForTokens(url, {
    grant_type: 'refresh_token',
    client_id: client.id,
    client_secret: client.secret,
    refresh_token: token,
    ...changes,
  });
}

function encoded(parameters: Readonly<Record<string, string | null | undefined>>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value !== null && value !== undefined) query.append(name, value);
  return query.toString();
}
