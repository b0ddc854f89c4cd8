import { authorizationCodeGrant, buildAuthorizationUrl, calculatePKCECodeChallenge, ClientSecretPost, Configuration } from 'openid-client';
import { z } from 'zod';
import { insecure, pictureUrl, shortName, unlessCancelled, verifiedAddress } from './openid.ts';
import { PROVIDER_TIMEOUT_SECS } from './provider.ts';
import type { LoginProvider, ProviderClient } from './provider.ts';

export const GITHUB = 'https://github.com';

export interface GithubSettings extends ProviderClient {
  /** Of the site, also of one that somebody runs themselves. */
  baseUrl: string;
}

const User = z.object({ id: z.int(), login: z.string(), name: z.string().nullish(), avatar_url: z.string().nullish() });
const Emails = z.array(z.object({ email: z.string(), primary: z.boolean(), verified: z.boolean() }));

/** OAuth 2.0 without OpenID: who somebody is, and whether their address is verified, is asked of the API. */
export function githubLogin(settings: GithubSettings): LoginProvider {
  const { baseUrl, clientId, clientSecret } = settings;
  const apiUrl = baseUrl === GITHUB ? 'https://api.github.com' : `${baseUrl}/api/v3`;
  const server = {
    issuer: `${baseUrl}/login/oauth`,
    authorization_endpoint: `${baseUrl}/login/oauth/authorize`,
    token_endpoint: `${baseUrl}/login/oauth/access_token`,
  };
  const config = new Configuration(server, clientId, clientSecret, ClientSecretPost(clientSecret));
  config.timeout = PROVIDER_TIMEOUT_SECS;
  for (const prepare of insecure(baseUrl)) prepare(config);
  return {
    id: 'github',
    name: 'GitHub',
    async start({ redirectUri, state, verifier }) {
      return buildAuthorizationUrl(config, {
        redirect_uri: redirectUri,
        scope: 'read:user user:email',
        state,
        code_challenge: await calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
      });
    },
    async finish({ redirectUri, state, verifier }, query) {
      const back = new URL(redirectUri);
      back.search = query.toString();
      const checks = { pkceCodeVerifier: verifier, expectedState: state };
      const { access_token: token } = await unlessCancelled(() => authorizationCodeGrant(config, back, checks));
      const [user, emails] = await Promise.all([ask(`${apiUrl}/user`, token, User), ask(`${apiUrl}/user/emails`, token, Emails)]);
      const primary = emails.find((email) => email.primary);
      const email = verifiedAddress(primary?.email, primary?.verified);
      return { subject: String(user.id), email, name: shortName(user.name ?? user.login, email), avatarUrl: pictureUrl(user.avatar_url) };
    },
  };
}

async function ask<T>(url: string, token: string, schema: z.ZodType<T>): Promise<T> {
  const response = await fetch(url, {
    headers: { authorization: `Bearer ${token}`, accept: 'application/vnd.github+json', 'user-agent': 'everruns' },
    redirect: 'error',
    signal: AbortSignal.timeout(PROVIDER_TIMEOUT_SECS * 1_000),
  });
  if (!response.ok) throw new Error(`GitHub answered ${response.status}.`);
  return schema.parse(await response.json());
}
