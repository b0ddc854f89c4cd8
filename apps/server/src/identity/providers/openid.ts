import { EmailAddress } from '@everruns/contract';
import { allowInsecureRequests, AuthorizationResponseError } from 'openid-client';
import type { Configuration } from 'openid-client';
import { ProviderRefusal } from './provider.ts';

/** What all providers have in common that speak OAuth. */

/** Plain http only where the operator has said so, for a provider on the same machine. */
export function insecure(url: string): ((config: Configuration) => void)[] {
  return url.startsWith('http:') ? [allowInsecureRequests] : [];
}

/** What the provider says of a login that did not come about. */
export async function unlessCancelled<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof AuthorizationResponseError && error.error === 'access_denied') {
      throw new ProviderRefusal('cancelled', 'The login was cancelled.');
    }
    throw error;
  }
}

/** In canonical form. Throws a `ProviderRefusal` for an address that nobody has verified, or that is none. */
export function verifiedAddress(email: unknown, isVerified: unknown): string {
  const address = EmailAddress.safeParse(email);
  if (isVerified !== true || !address.success) throw new ProviderRefusal('not_permitted', 'The provider has not verified the address.');
  return address.data;
}

const MAX_NAME = 200;

export function shortName(name: unknown, email: string): string {
  return typeof name === 'string' && name.trim() !== '' ? name.trim().slice(0, MAX_NAME) : (email.split('@')[0] ?? email);
}

/** Pictures are shown by pages, so they come by https or not at all. */
export function pictureUrl(url: unknown): string | null {
  return typeof url === 'string' && url.length <= 2_000 && url.startsWith('https://') && URL.canParse(url) ? url : null;
}
