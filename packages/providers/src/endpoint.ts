import { ModelError, type ProviderEndpoint } from '@everruns/agent/model';

/** What a driver's SDK is opened with: always explicit, because the SDKs read the environment for whatever they are not given. */
export interface Address {
  baseUrl: string;
  apiKey: string;
}

/** The vendor's own address of a protocol, with the path that its API lives under. */
export interface VendorAddress {
  origin: string;
  path: string;
}

/**
 * Resolves the address of an endpoint. A `baseUrl` without a path gets the protocol's usual one, since vendors and their clients disagree
 * whether it belongs to the address. Throws `misconfigured` for an address that cannot work.
 */
export function baseUrlOf(endpoint: ProviderEndpoint, vendor: VendorAddress): string {
  if (endpoint.baseUrl === undefined || endpoint.baseUrl === '') return vendor.origin + vendor.path;
  const url = URL.canParse(endpoint.baseUrl) ? new URL(endpoint.baseUrl) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new ModelError('misconfigured', 'The base_url of the provider is not an http or https address.');
  }
  return url.pathname === '/' ? url.origin + vendor.path : endpoint.baseUrl.replace(/\/+$/, '');
}

/** Throws `misconfigured` without a key: a request that must fail is not sent. */
export function addressOf(endpoint: ProviderEndpoint, vendor: VendorAddress): Address {
  if (!endpoint.apiKey) throw new ModelError('misconfigured', `The provider "${endpoint.providerType}" has no API key.`);
  return { baseUrl: baseUrlOf(endpoint, vendor), apiKey: endpoint.apiKey };
}
