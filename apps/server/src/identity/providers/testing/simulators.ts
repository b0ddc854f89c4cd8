import { createHash, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';

/** Providers of logins on a socket, which keep to their protocols and can be made to break them. */

export const CLIENT = { clientId: 'everruns-test', clientSecret: 'secret of the client' };

export interface Simulator {
  url: string;
  /** What the browser would do there: somebody agrees, and is sent back with a code. */
  agree(authorizationUrl: URL): URL;
  /** Every request since the start, as `METHOD path`. */
  readonly requests: readonly string[];
  close(): Promise<void>;
}

interface Grant {
  clientId: string;
  redirectUri: string;
  challenge: string;
  nonce: string | null;
}

type Answer = { status: number; body: unknown };
type Handler = (request: { path: string; method: string; form: URLSearchParams; token: string }) => Answer | Promise<Answer>;

async function serve(handler: Handler): Promise<{ url: string; requests: string[]; close(): Promise<void> }> {
  const requests: string[] = [];
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    void (async () => {
      let body = '';
      for await (const chunk of request) body += String(chunk);
      const path = new URL(request.url ?? '/', 'http://simulator').pathname;
      requests.push(`${request.method} ${path}`);
      const token = (request.headers.authorization ?? '').replace(/^Bearer /i, '');
      const answer = await handler({ path, method: request.method ?? '', form: new URLSearchParams(body), token });
      response.writeHead(answer.status, { 'content-type': 'application/json' }).end(JSON.stringify(answer.body));
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`, requests, close };
}

/** Codes as authorization servers give them: for one client, one redirect URI, one verifier, once. */
function grants() {
  const open = new Map<string, Grant>();
  return {
    agree(url: URL): URL {
      const query = url.searchParams;
      const code = randomBytes(16).toString('hex');
      open.set(code, {
        clientId: query.get('client_id') ?? '',
        redirectUri: query.get('redirect_uri') ?? '',
        challenge: query.get('code_challenge_method') === 'S256' ? (query.get('code_challenge') ?? '') : 'none',
        nonce: query.get('nonce'),
      });
      const back = new URL(query.get('redirect_uri') ?? '');
      back.search = new URLSearchParams({ code, state: query.get('state') ?? '' }).toString();
      return back;
    },
    spend(form: URLSearchParams): Grant | null {
      const code = form.get('code') ?? '';
      const grant = open.get(code);
      open.delete(code);
      const challenge = createHash('sha256')
        .update(form.get('code_verifier') ?? '')
        .digest('base64url');
      const isOurs = form.get('client_id') === CLIENT.clientId && form.get('client_secret') === CLIENT.clientSecret;
      const isGranted =
        grant?.clientId === CLIENT.clientId && grant.redirectUri === form.get('redirect_uri') && grant.challenge === challenge;
      return isOurs && isGranted ? grant : null;
    },
  };
}

const NO_GRANT: Answer = { status: 400, body: { error: 'invalid_grant' } };
const NOTHING: Answer = { status: 404, body: { message: 'Not Found' } };

/** Claims of the ID token, over those of an honest one. */
export type Claims = Record<string, unknown>;

export interface GoogleSimulator extends Simulator {
  /** Who agrees from now on; also lies, such as another audience. */
  person(claims: Claims): void;
  /** Signs with a key that it does not publish. */
  forge(isForging: boolean): void;
  fail(isFailing: boolean): void;
}

export async function googleSimulator(): Promise<GoogleSimulator> {
  const [own, foreign] = await Promise.all([generateKeyPair('RS256'), generateKeyPair('RS256')]);
  const codes = grants();
  let [claims, isForging, isFailing]: [Claims, boolean, boolean] = [{}, false, false];
  const served = await serve(async ({ path, form }) => {
    if (isFailing) return { status: 503, body: {} };
    if (path === '/.well-known/openid-configuration') return { status: 200, body: discovered(served.url) };
    if (path === '/jwks')
      return { status: 200, body: { keys: [{ ...(await exportJWK(own.publicKey)), kid: 'k', alg: 'RS256', use: 'sig' }] } };
    if (path !== '/token') return NOTHING;
    const grant = codes.spend(form);
    if (grant === null) return NO_GRANT;
    const nowSecs = Math.floor(Date.now() / 1_000);
    const honest = { iss: served.url, aud: CLIENT.clientId, iat: nowSecs, exp: nowSecs + 300, nonce: grant.nonce };
    const idToken = await new SignJWT({ ...honest, ...claims })
      .setProtectedHeader({ alg: 'RS256', kid: 'k' })
      .sign(isForging ? foreign.privateKey : own.privateKey);
    return { status: 200, body: { access_token: 'at', token_type: 'Bearer', expires_in: 300, id_token: idToken } };
  });
  return {
    ...served,
    agree: (url) => codes.agree(url),
    person: (next) => void (claims = next),
    forge: (next) => void (isForging = next),
    fail: (next) => void (isFailing = next),
  };
}

function discovered(url: string): object {
  return {
    issuer: url,
    authorization_endpoint: `${url}/authorize`,
    token_endpoint: `${url}/token`,
    jwks_uri: `${url}/jwks`,
    userinfo_endpoint: `${url}/userinfo`,
    response_types_supported: ['code'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['RS256'],
    code_challenge_methods_supported: ['S256'],
  };
}

export interface GithubPerson {
  id: number;
  login: string;
  name?: string | null;
  avatar_url?: string;
  emails: { email: string; primary: boolean; verified: boolean }[];
}

export interface GithubSimulator extends Simulator {
  person(person: GithubPerson): void;
  fail(path: string | null): void;
}

/** As a site of one's own has it: the API below `/api/v3`. */
export async function githubSimulator(): Promise<GithubSimulator> {
  const codes = grants();
  const tokens = new Set<string>();
  let [person, failing]: [GithubPerson | null, string | null] = [null, null];
  const served = await serve(({ path, form, token }) => {
    if (path === failing) return { status: 502, body: {} };
    if (path === '/login/oauth/access_token') {
      // Its refusals come with 200.
      if (codes.spend(form) === null) return { status: 200, body: { error: 'bad_verification_code' } };
      const given = `gho_${randomBytes(8).toString('hex')}`;
      tokens.add(given);
      return { status: 200, body: { access_token: given, token_type: 'bearer', scope: 'read:user,user:email' } };
    }
    if (!tokens.has(token) || person === null) return { status: 401, body: {} };
    const { emails, ...user } = person;
    if (path === '/api/v3/user') return { status: 200, body: user };
    return path === '/api/v3/user/emails' ? { status: 200, body: emails } : NOTHING;
  });
  return {
    ...served,
    agree: (url) => codes.agree(url),
    person: (next) => void (person = next),
    fail: (path) => void (failing = path),
  };
}
