import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { isUuid } from '@everruns/contract';
import { findUser } from '@everruns/storage';
import type { Database } from '@everruns/storage';
import { errors, interactionPolicy, Provider } from 'oidc-provider';
import type { Configuration, KoaContextWithOIDC } from 'oidc-provider';
import { createAdapters } from './adapter.ts';
import type { OAuthKeys } from './keys.ts';
import { ACCESS_TOKEN_PREFIX, OAUTH_PATHS, resourceOf } from './metadata.ts';
import { CLIENT_AUTH_METHODS, GRANT_TYPES, RESPONSE_TYPES, SCOPE } from './registration.ts';

/** The authorization server (OAuth 2.1): codes with PKCE, refresh tokens that are spent once, access tokens for the MCP endpoint alone. */

const REFRESH_TOKEN_PREFIX = 'evr_mcr_';
const SECRET_BYTES = 32;

const ACCESS_SECS = 900;
const REFRESH_SECS = 30 * 86_400;
const CODE_SECS = 300;
/** For a user who has to log in, or to make an account, before agreeing. */
const INTERACTION_SECS = 3_600;

/** What somebody is told who cannot be sent back to their client. */
export interface ShownError {
  status: number;
  code: string;
  description: string;
}

export interface AuthorizationServerDeps {
  db: Database;
  keys: OAuthKeys;
  /** Root of the installation, which is the issuer. */
  root: string;
  corsOrigins: readonly string[];
  /** Whoever made the request is told nothing of it. */
  onFailure: (error: Error) => void;
  showError: (response: ServerResponse, error: ShownError) => void;
}

export function createAuthorizationServer(deps: AuthorizationServerDeps): Provider {
  const { root, keys } = deps;
  const provider = new Provider(root, { ...configurationOf(deps), jwks: { keys: [keys.signing] } } as Configuration);
  // Behind a proxy the scheme of the issuer is the one that browsers see.
  provider.proxy = true;
  secretsOf(provider);
  // The login of the user is the only session there is; this server never remembers who was here.
  provider.on('authorization.success', ({ oidc }) => {
    if (oidc.session !== undefined) (oidc.session as { destroyed?: boolean }).destroyed = true;
  });
  provider.on('server_error', (_ctx, error) => deps.onFailure(error));
  return provider;
}

function configurationOf({ db, keys, root, corsOrigins, showError }: AuthorizationServerDeps): Configuration {
  const resource = resourceOf(root);
  const isHttps = root.startsWith('https:');
  const cookie = { signed: true, httpOnly: true, overwrite: true, sameSite: 'lax' as const, secure: isHttps };
  return {
    adapter: createAdapters(db),
    allowOmittingSingleRegisteredRedirectUri: false,
    clientAuthMethods: CLIENT_AUTH_METHODS as ['client_secret_post', 'none'],
    clientBasedCORS: (_ctx, origin) => corsOrigins.includes(origin) || origin === new URL(root).origin,
    clientDefaults: { grant_types: GRANT_TYPES, response_types: RESPONSE_TYPES as ['code'], id_token_signed_response_alg: 'EdDSA' },
    cookies: { keys: [keys.cookies], short: cookie, long: cookie },
    enabledJWA: { idTokenSigningAlgValues: ['EdDSA'] },
    expiresWithSession: () => false,
    features: {
      devInteractions: { enabled: false },
      dPoP: { enabled: false },
      pushedAuthorizationRequests: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      userinfo: { enabled: false },
      revocation: { enabled: true, allowedPolicy: (_ctx, client, token) => token.clientId === client.clientId },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => resource,
        useGrantedResource: () => true,
        getResourceServerInfo: (_ctx, wanted) => {
          if (wanted !== resource) throw new errors.InvalidTarget();
          return { scope: SCOPE, audience: resource, accessTokenTTL: ACCESS_SECS, accessTokenFormat: 'opaque' };
        },
      },
    },
    findAccount: async (_ctx, id) => {
      const user = isUuid(id) ? await findUser(db, id) : null;
      return user === null ? undefined : { accountId: id, claims: () => ({ sub: id }) };
    },
    interactions: { policy: consentAlways(), url: (_ctx, { uid }) => `${root}${OAUTH_PATHS.consent}/${uid}` },
    issueRefreshToken: (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    loadExistingGrant: async (ctx) => {
      const id = ctx.oidc.result?.consent?.grantId;
      return id === undefined ? undefined : ctx.oidc.provider.Grant.find(id);
    },
    pkce: { required: () => true },
    renderError: (ctx, { error, error_description: description }) => showProviderError(ctx, { error, description }, showError),
    responseTypes: RESPONSE_TYPES as ['code'],
    rotateRefreshToken: ({ oidc }) => {
      // Asked before the token is spent: who only names a wrong resource keeps it.
      const wanted = oidc.params?.['resource'];
      if (wanted !== undefined && wanted !== resource) throw new errors.InvalidTarget();
      return true;
    },
    routes: { authorization: OAUTH_PATHS.authorize, token: OAUTH_PATHS.token, revocation: OAUTH_PATHS.revoke },
    scopes: [SCOPE],
    ttl: {
      AccessToken: ACCESS_SECS,
      AuthorizationCode: CODE_SECS,
      // Until its first refresh token, which makes it last as long as that.
      Grant: CODE_SECS + ACCESS_SECS,
      Interaction: INTERACTION_SECS,
      RefreshToken: REFRESH_SECS,
      Session: INTERACTION_SECS,
    },
  };
}

/** Nobody is let in without having been asked, however often the same client was let in before. */
function consentAlways(): interactionPolicy.DefaultPolicy {
  const { Check, Prompt } = interactionPolicy;
  const asked = new Check('not_asked', 'the user has not been asked', ({ oidc }) =>
    oidc.result?.consent === undefined ? Check.REQUEST_PROMPT : Check.NO_NEED_TO_PROMPT,
  );
  return [new Prompt({ name: 'consent', requestable: true }, asked)] as unknown as interactionPolicy.DefaultPolicy;
}

/** Secrets of clients are known by their hashes, and what is given out is 256 random bits in a form that tells what it is. */
function secretsOf(provider: Provider): void {
  const made = (prefix: string) => (): string => `${prefix}${randomBytes(SECRET_BYTES).toString('hex')}`;
  Object.assign(provider.Client.prototype, {
    compareClientSecret(this: { clientSecret?: string }, given: string): boolean {
      const expected = Buffer.from(this.clientSecret ?? '', 'hex');
      const actual = createHash('sha256').update(given).digest();
      return expected.length === actual.length && timingSafeEqual(expected, actual);
    },
  });
  const access = provider.AccessToken.prototype as { generateTokenId?: () => string };
  const { generateTokenId: decideFormat } = access;
  access.generateTokenId = function generate() {
    decideFormat?.call(this);
    return made(ACCESS_TOKEN_PREFIX)();
  };
  Object.assign(provider.RefreshToken.prototype, { generateTokenId: made(REFRESH_TOKEN_PREFIX) });
  Object.assign(provider.AuthorizationCode.prototype, { generateTokenId: made('') });
}

function showProviderError(
  ctx: KoaContextWithOIDC,
  { error, description }: { error: string; description: string | undefined },
  show: AuthorizationServerDeps['showError'],
): void {
  ctx.respond = false;
  show(ctx.res, { status: ctx.status, code: error, description: description ?? '' });
}
