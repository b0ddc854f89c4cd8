import { randomBytes } from 'node:crypto';
import type { IdSource } from '@everruns/contract';
import { findOAuthAccess } from '@everruns/storage';
import type { Database } from '@everruns/storage';
import type { Authenticate } from '../http/authenticate.ts';
import { createBrowserLogin } from '../http/browser-login.ts';
import type { InnerCalls } from '../http/inner-calls.ts';
import { addressOf } from '../http/rate-limits.ts';
import type { Api } from '../http/types.ts';
import { isAdmitted } from '../identity/identity.ts';
import type { Identity } from '../identity/identity.ts';
import { AUTH_GUIDE_PATH, authGuide, CARD_PATH, serverCard } from '../oauth/about.ts';
import type { Installation } from '../oauth/about.ts';
import { createMcpAuthenticate } from '../oauth/authenticate.ts';
import { oauthRoutes } from '../oauth/routes.ts';
import type { SendPage } from '../pages/layout.ts';
import { createOperationCatalogue } from './operations.ts';
import { allTools, mcpRoutes } from './routes.ts';
import { createRunKeys } from './run-keys.ts';

export interface McpMountDeps {
  db: Database;
  ids: Pick<IdSource, 'next'>;
  identity: Identity;
  authenticate: Authenticate;
  inner: InnerCalls;
  sendPage: SendPage;
  settings: {
    apiPrefix: string;
    publicUrl: () => string;
    health: { version: string };
    browsers: { corsOrigins: readonly string[]; isHttpsOnly: boolean };
    rates: { proxyHops: number };
  };
}

/**
 * The MCP endpoint and the authorization server that lets clients in to it, at the root whatever the prefix of the API. Must be mounted before
 * the routes that the endpoint offers.
 */
export async function mountMcp(app: Api, { db, ids, identity, authenticate, inner, sendPage, settings }: McpMountDeps): Promise<void> {
  const { apiPrefix, health, browsers, rates } = settings;
  const publicUrl = (): string => settings.publicUrl().replace(/\/+$/, '');
  const { auth, limits, frontendUrl } = identity;
  const { corsOrigins } = browsers;
  await oauthRoutes(app, {
    db,
    ids,
    browserLogin: createBrowserLogin({ ...identity, authenticate }, browsers.isHttpsOnly),
    publicUrl,
    frontendUrl,
    corsOrigins,
    sendPage,
    // In mode none nobody is ever asked, and what is derived from it ends with the process.
    secret: auth.jwtSecret ?? randomBytes(32).toString('hex'),
    admitRegistration: (request) => limits.ofAddress('client', addressOf(request, rates.proxyHops)),
  });
  aboutRoutes(app, () => ({ root: publicUrl(), apiPrefix, version: health.version, isOpen: auth.mode === 'none' }));
  const access = createMcpAuthenticate({
    authenticate,
    publicUrl,
    access: (hash) => findOAuthAccess(db, hash),
    admits: (user) => isAdmitted(auth, user),
  });
  await mcpRoutes(app, {
    apiPrefix,
    publicUrl,
    corsOrigins,
    inner,
    version: health.version,
    authenticate: auth.mode === 'none' ? authenticate : access,
    operations: createOperationCatalogue(app),
    runs: createRunKeys(db),
  });
}

function aboutRoutes(app: Api, installation: () => Installation): void {
  const options = { schema: { hide: true }, config: { open: true } } as const;
  const tools = allTools();
  app.get(CARD_PATH, options, async () => serverCard(installation(), tools));
  app.get(AUTH_GUIDE_PATH, options, async (_request, reply) => reply.type('text/markdown; charset=utf-8').send(authGuide(installation())));
}
