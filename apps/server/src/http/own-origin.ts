import { PlatformError } from '@everruns/contract';
import type { FastifyRequest } from 'fastify';

/** Whether pages of this origin may make changes with the cookies of their visitors, besides those of the request's own host. */
export type TrustsOrigin = (origin: string) => boolean;

/**
 * Browsers send cookies with whatever any page has them send, and say whose page it was. A request that a cookie speaks for has to come from our
 * own pages, or from ones that may call the API. Throws `forbidden`.
 */
export function requireOwnOrigin({ headers }: Pick<FastifyRequest, 'headers'>, trusts: TrustsOrigin): void {
  const { origin, host, 'sec-fetch-site': site } = headers;
  const isOwn =
    origin === undefined ? site === undefined || site === 'same-origin' || site === 'none' : isOfHost(origin, host) || trusts(origin);
  if (!isOwn) throw new PlatformError('forbidden', 'Pages of other origins cannot make changes with the cookies of their visitors.');
}

/** The scheme may be another one behind a proxy; who can choose the host of a request cannot choose its origin. */
function isOfHost(origin: string, host: string | undefined): boolean {
  return URL.canParse(origin) && host !== undefined && new URL(origin).host === host.toLowerCase();
}
