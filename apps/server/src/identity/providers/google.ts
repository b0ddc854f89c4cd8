import {
  authorizationCodeGrant,
  buildAuthorizationUrl,
  calculatePKCECodeChallenge,
  discovery,
  enableNonRepudiationChecks,
} from 'openid-client';
import type { Configuration } from 'openid-client';
import { insecure, pictureUrl, shortName, unlessCancelled, verifiedAddress } from './openid.ts';
import { PROVIDER_TIMEOUT_SECS, ProviderRefusal } from './provider.ts';
import type { LoginProvider, ProviderClient } from './provider.ts';

export const GOOGLE = 'https://accounts.google.com';

export interface GoogleSettings extends ProviderClient {
  issuer: string;
  /** Empty: everybody who has an account there. */
  allowedDomains: readonly string[];
}

/** OpenID Connect: everything about the provider is found at its issuer's address, once. */
export function googleLogin(settings: GoogleSettings): LoginProvider {
  let found: Promise<Configuration> | null = null;
  const find = (): Promise<Configuration> => {
    found ??= discover(settings).catch((error: unknown) => {
      found = null; // it may be there the next time
      throw error;
    });
    return found;
  };
  return {
    id: 'google',
    name: 'Google',
    async start({ redirectUri, state, nonce, verifier }) {
      return buildAuthorizationUrl(await find(), {
        redirect_uri: redirectUri,
        scope: 'openid email profile',
        state,
        nonce,
        code_challenge: await calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
        prompt: 'select_account',
      });
    },
    async finish({ redirectUri, state, nonce, verifier }, query) {
      const config = await find();
      const back = new URL(redirectUri);
      back.search = query.toString();
      const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true };
      const tokens = await unlessCancelled(() => authorizationCodeGrant(config, back, checks));
      const claims = tokens.claims();
      if (claims === undefined) throw new Error('There is no ID token.');
      const email = verifiedAddress(claims['email'], claims['email_verified']);
      requireDomain(settings.allowedDomains, email, claims['hd']);
      return { subject: claims.sub, email, name: shortName(claims['name'], email), avatarUrl: pictureUrl(claims['picture']) };
    },
  };
}

async function discover({ issuer, clientId, clientSecret }: GoogleSettings): Promise<Configuration> {
  const config = await discovery(new URL(issuer), clientId, clientSecret, undefined, {
    execute: insecure(issuer),
    timeout: PROVIDER_TIMEOUT_SECS,
  });
  // The signature is checked too, though the token comes from the provider itself.
  enableNonRepudiationChecks(config);
  return config;
}

/**
 * Anybody can have an account there under an address of any domain. That its owner runs the account is only said by `hd`, the domain of a
 * Workspace; addresses of Google's own have none.
 */
function requireDomain(allowed: readonly string[], email: string, hosted: unknown): void {
  if (allowed.length === 0) return;
  const own = email.endsWith('@gmail.com') ? 'gmail.com' : '';
  const domain = typeof hosted === 'string' ? hosted.toLowerCase() : own;
  if (!allowed.includes(domain)) throw new ProviderRefusal('not_permitted', 'The account is of a domain that is not allowed here.');
}
