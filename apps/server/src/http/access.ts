import type { IdSource } from '@everruns/contract';
import type { Database } from '@everruns/storage';
import type { ProviderSettings } from '../config-providers.ts';
import { welcomeOf } from '../identity/account-service.ts';
import type { Identity } from '../identity/identity.ts';
import { createProgramLogins } from '../identity/program-logins.ts';
import { githubLogin } from '../identity/providers/github.ts';
import { googleLogin } from '../identity/providers/google.ts';
import type { LoginProvider } from '../identity/providers/provider.ts';
import { createProviderLogins } from '../identity/providers/provider-logins.ts';
import { createServiceAccountService } from '../identity/service-accounts.ts';
import { createTokenService } from '../identity/tokens.ts';
import { createSendPage, loadStylesheet } from '../pages/layout.ts';
import type { HomePath } from '../pages/return-to.ts';
import { pageRoutes } from '../pages/routes.ts';
import type { InvitationService } from '../services/organization-invitations.ts';
import type { OrganizationService } from '../services/organizations.ts';
import { createBrowserLogin } from './browser-login.ts';
import { govern } from './govern.ts';
import { authRoutes } from './routes/auth.ts';
import { deviceDecisionRoutes, programLoginRoutes } from './routes/program-logins.ts';
import { providerLoginRoutes } from './routes/provider-logins.ts';
import { serviceAccountRoutes, tokenRoutes } from './routes/tokens.ts';
import type { Api } from './types.ts';

export interface AccessDeps {
  db: Database;
  ids: IdSource;
  identity: Identity;
  /** Most tokens of a user, and service accounts of an organization; 0 = no limit. */
  tokens: { perUser: number; serviceAccountsPerOrg: number };
  providers: ProviderSettings;
  organizations: Pick<OrganizationService, 'me' | 'create'>;
  invitations: Pick<InvitationService, 'accept'>;
  apiPrefix: string;
  publicUrl: () => string;
  isHttpsOnly: boolean;
  proxyHops: number;
  /** Where somebody is led who has logged in and wanted nothing else; another place for who belongs to no organization. */
  homePath: HomePath;
  now: () => Date;
}

/** Everything that lets somebody in: logins by password, through providers and of programs, tokens, service accounts, and pages for people. */
export interface Access {
  /** Routes of the API. */
  mount(api: Api): Promise<void>;
  /** At the root. */
  mountPages(app: Api): Promise<void>;
}

export function createAccess(deps: AccessDeps): Access {
  const { db, ids, identity, tokens, isHttpsOnly, proxyHops, homePath } = deps;
  const newId = () => ids.next();
  const logins = providerLogins(deps);
  const programs = createProgramLogins({ db, newId, limit: tokens.perUser });
  const browserLogin = createBrowserLogin(identity, isHttpsOnly);
  const shared = { ...deps, programs, browserLogin, sendPage: createSendPage(loadStylesheet()) };
  return {
    async mount(api) {
      authRoutes(api, { identity, loginProviders: logins.providers.map(({ id }) => id), isHttpsOnly, proxyHops });
      providerLoginRoutes(api, { identity, logins, isHttpsOnly, proxyHops, homePath });
      await programLoginRoutes(api, shared);
      await govern(api, 'user', (group) => {
        tokenRoutes(group, createTokenService({ db, newId, limit: tokens.perUser }));
        deviceDecisionRoutes(group, shared);
      });
      const limits = { accounts: tokens.serviceAccountsPerOrg, tokens: tokens.perUser };
      await govern(api, 'api-keys', (group) => serviceAccountRoutes(group, createServiceAccountService({ db, newId, limits })));
    },
    mountPages: (app) => pageRoutes(app, { ...shared, providers: logins.providers }),
  };
}

function providerLogins({ db, ids, identity, providers, apiPrefix, publicUrl, now }: AccessDeps) {
  const { auth } = identity;
  const { google, github } = auth.mode === 'full' ? providers : { google: null, github: null };
  const offered: LoginProvider[] = [...(google === null ? [] : [googleLogin(google)]), ...(github === null ? [] : [githubLogin(github)])];
  const redirectUris = { google: google?.redirectUri ?? null, github: github?.redirectUri ?? null };
  return createProviderLogins({
    db,
    newId: () => ids.next(),
    secret: auth.jwtSecret ?? '',
    providers: offered,
    redirectUriOf: ({ id }) => redirectUris[id] ?? `${auth.baseUrl ?? `${publicUrl()}${apiPrefix}`}/v1/auth/callback/${id}`,
    admitsNewcomers: auth.hasNewcomers,
    welcome: welcomeOf(auth),
    now,
  });
}
