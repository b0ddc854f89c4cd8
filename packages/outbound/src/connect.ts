import type { LookupAddress, LookupOptions } from 'node:dns';
import { lookup as systemLookup } from 'node:dns/promises';
import type { LookupFunction } from 'node:net';
import type { buildConnector } from 'undici';
import { ipOf } from './addresses.ts';
import { mayReach, notPublic } from './check.ts';
import type { EgressAllow, EgressClass } from './egress-allow.ts';

/** All addresses of a name, best first; rejects as `dns.lookup` does. */
export type Resolve = (host: string) => Promise<readonly LookupAddress[]>;

export const resolveBySystem: Resolve = (host) => systemLookup(host, { all: true, verbatim: true });

export interface ConnectParams {
  kind: EgressClass;
  allow: EgressAllow;
  resolve: Resolve;
  connectTimeoutMs: number;
  build: typeof buildConnector;
}

/**
 * Connects to checked addresses only. The socket gets the very addresses that were checked and asks for no name again, so a name that changes
 * between the check and the connection gains nothing.
 */
export function guardedConnector({ kind, allow, resolve, connectTimeoutMs, build }: ConnectParams): buildConnector.connector {
  const lookup: LookupFunction = (host, options, callback) => {
    resolve(host).then(
      (found) => {
        const addresses = found.filter(({ address }) => mayReach(address, host, { kind, allow }));
        if (addresses.length === 0) return callback(notPublic(host), []);
        answer(addresses, options, callback);
      },
      (error: unknown) => callback(error as NodeJS.ErrnoException, []),
    );
  };
  const connect = build({ timeout: connectTimeoutMs, allowH2: false, lookup, autoSelectFamily: true } as buildConnector.BuildOptions);
  return (options, callback) => {
    // No name is looked up for an address, and the lookup above would not be asked.
    const ip = ipOf(options.hostname);
    if (ip !== null && !mayReach(ip, options.hostname, { kind, allow })) return callback(notPublic(options.hostname), null);
    connect(options, callback);
  };
}

function answer(addresses: readonly LookupAddress[], options: LookupOptions, callback: Parameters<LookupFunction>[2]): void {
  if (options.all === true) return callback(null, [...addresses]);
  const first = addresses[0] as LookupAddress;
  callback(null, first.address, first.family);
}
