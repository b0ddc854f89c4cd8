import type { ServerResponse } from 'node:http';
import { PlatformError } from '@everruns/contract';
import type { IdSource } from '@everruns/contract';
import type { Database } from '@everruns/storage';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Provider } from 'oidc-provider';
import type { BrowserLogin } from '../http/browser-login.ts';
import { sendProblem, toPlatformError } from '../http/problems.ts';
import type { Api } from '../http/types.ts';
import type { SendPage } from '../pages/layout.ts';
import { consentRoutes, overProxy } from './consent.ts';
import { oauthErrorPage } from './consent-page.ts';
import { createOAuthKeys } from './keys.ts';
import { OAUTH_PATHS, resourceMetadata, serverMetadata } from './metadata.ts';
import type { ShownError } from './provider.ts';
import { parseRegistration, register, SCOPE } from './registration.ts';

export interface OAuthDeps {
  db: Database;
  ids: Pick<IdSource, 'next'>;
  /** At least 32 bytes, the same on all instances. */
  secret: string;
  browserLogin: BrowserLogin;
  publicUrl: () => string;
  /** Where people log in. */
  frontendUrl: () => string;
  corsOrigins: readonly string[];
  sendPage: SendPage;
  /** Throws `rate_limited` when an address registers clients too fast. */
  admitRegistration(request: FastifyRequest): Promise<void>;
}

/** What is asked of a client's request; anything else it may carry has no meaning here. */
const AUTHORIZE_PARAMETERS: ReadonlySet<string> = new Set(
  'client_id redirect_uri response_type code_challenge code_challenge_method state resource prompt'.split(' '),
);

/** The authorization server for MCP clients, at the root of the installation whatever the prefix of the API. */
export async function oauthRoutes(root: Api, deps: OAuthDeps): Promise<void> {
  const keys = createOAuthKeys(deps.secret);
  const shown = new WeakMap<ServerResponse, ShownError>();
  let provider: Promise<Provider> | undefined;
  // With the first request that needs it: the issuer may be known only once the server listens, and loading it takes longer than a start should.
  const load = async (): Promise<Provider> => {
    const { createAuthorizationServer } = await import('./provider.ts');
    return createAuthorizationServer({
      db: deps.db,
      keys,
      root: deps.publicUrl(),
      corsOrigins: deps.corsOrigins,
      onFailure: (error) => root.log.error({ err: error }, 'authorization server failed'),
      showError: (response, error) => void shown.set(response, error),
    });
  };
  const server = (): Promise<Provider> => (provider ??= load());
  await root.register(async (app: Api) => {
    metadataRoutes(app, deps);
    registrationRoute(app, deps);
    await app.register(async (pages: Api) => consentRoutes(pages, { ...deps, keys, server }));
    await app.register(async (raw: Api) => providerRoutes(raw, { deps, server, shown }));
  });
}

const HIDDEN = { schema: { hide: true }, config: { open: true, audit: 'nothing' }, exposeHeadRoute: false } as const;

function metadataRoutes(app: Api, { publicUrl }: OAuthDeps): void {
  app.get(OAUTH_PATHS.serverMetadata, HIDDEN, async () => serverMetadata(publicUrl()));
  app.get(OAUTH_PATHS.resourceMetadata, HIDDEN, async () => resourceMetadata(publicUrl()));
}

function registrationRoute(app: Api, deps: OAuthDeps): void {
  app.post(
    OAUTH_PATHS.register,
    {
      ...HIDDEN,
      errorHandler: (error, request, reply) => {
        const known = toPlatformError(error);
        if (known.status >= 500) request.log.error({ err: known.cause ?? known, code: known.code }, 'request failed');
        if (known.retryAfterSeconds !== undefined) reply.header('retry-after', String(known.retryAfterSeconds));
        const code = known.status >= 500 ? 'server_error' : known.status === 429 ? 'temporarily_unavailable' : 'invalid_client_metadata';
        const detail = known.status >= 500 ? 'Something went wrong on our side.' : known.message;
        void reply.code(known.status).header('cache-control', 'no-store').send({ error: code, error_description: detail });
      },
    },
    async (request, reply) => {
      await deps.admitRegistration(request);
      const wanted = parseRegistration(request.body);
      reply.header('cache-control', 'no-store');
      if ('error' in wanted) return reply.code(400).send(wanted);
      return reply.code(201).send(await register(deps.db, wanted, Date.now()));
    },
  );
}

interface Serving {
  deps: OAuthDeps;
  server: () => Promise<Provider>;
  shown: WeakMap<ServerResponse, ShownError>;
}

/** What the library answers by itself. It reads the bodies. */
function providerRoutes(app: Api, serving: Serving): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, _body, done) => done(null));
  const answer = (request: FastifyRequest, reply: FastifyReply) => serve(serving, request, reply);
  app.get(OAUTH_PATHS.authorize, HIDDEN, (request, reply) => {
    request.raw.url = authorizeUrl(request.raw.url ?? '');
    return answer(request, reply);
  });
  app.get(`${OAUTH_PATHS.authorize}/:uid`, HIDDEN, answer);
  app.post(OAUTH_PATHS.token, HIDDEN, answer);
  app.post(OAUTH_PATHS.revoke, HIDDEN, answer);
}

/** There is one scope, so it is what is asked for whatever a client calls it; what was given is said with the token. */
function authorizeUrl(url: string): string {
  const given = new URLSearchParams(url.split('?')[1] ?? '');
  const kept = new URLSearchParams([...given].filter(([name]) => AUTHORIZE_PARAMETERS.has(name)));
  kept.append('scope', SCOPE);
  return `${OAUTH_PATHS.authorize}?${kept.toString()}`;
}

async function serve({ deps, server, shown }: Serving, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> {
  const response = reply.raw;
  for (const [name, value] of Object.entries(reply.getHeaders())) if (value !== undefined) response.setHeader(name, value);
  await (await server()).callback()(overProxy(request, deps), response);
  const error = shown.get(response);
  if (error === undefined) {
    reply.hijack();
    return undefined;
  }
  if (request.headers.accept?.includes('text/html') === true) {
    return deps.sendPage(reply, oauthErrorPage(error.description === '' ? error.code : error.description), { status: error.status });
  }
  const code = error.status >= 500 ? 'internal' : 'invalid_request';
  return sendProblem(reply, new PlatformError(code, `${error.code}: ${error.description}`));
}
