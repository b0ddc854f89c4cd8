import { permits, type NetworkAccess } from './access-list.ts';
import { ipOf, specialRangeOf } from './addresses.ts';
import type { EgressAllow, EgressClass } from './egress-allow.ts';
import { refused, type OutboundError } from './errors.ts';

export interface CheckParams {
  kind: EgressClass;
  allow: EgressAllow;
  access?: NetworkAccess | undefined;
}

/** Why this address may not be asked for, judged by the URL alone; null when nothing speaks against it. */
export function checkUrl(url: URL, { kind, allow, access }: CheckParams): OutboundError | null {
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    return refused(`Only http and https addresses can be reached, not ${url.protocol}`);
  if (url.username !== '' || url.password !== '') return refused('An address must not carry a user name or a password.');
  if (!permits(access, url)) return refused(`The network access list of this session does not permit "${url.host}".`);
  const ip = ipOf(url.hostname);
  return ip === null || mayReach(ip, url.hostname, { kind, allow }) ? null : notPublic(url.hostname);
}

/** May a connection be made to this address, which the host stands for? */
export function mayReach(ip: string, host: string, { kind, allow }: Pick<CheckParams, 'kind' | 'allow'>): boolean {
  return specialRangeOf(ip) === null || allow.address(kind, ip) || allow.host(kind, host);
}

export function notPublic(host: string): OutboundError {
  return refused(`"${host}" does not exist or is not in the public network.`);
}
