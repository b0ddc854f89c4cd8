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

/** Addresses, and names that no public name server has: a stranger cannot lead them anywhere. */
const NOBODY_ELSES = /^([\d.]+|\[[\da-f:.]+\]|[^.]+|.+\.(localhost|local|internal|lan|test))$/;
const OF_THIS_MACHINE = /^(localhost|.+\.localhost|127(\.\d+){3}|\[::1\])$/;
const LOOPBACK = /^(127\.|::1$|::ffff:127\.)/;

type Asked = Pick<FastifyRequest, 'headers' | 'method'> & { socket: { localAddress?: string | undefined } };

export interface OwnMachine {
  trustsOrigin: TrustsOrigin;
  /** Of the installation, as it is told to people. */
  publicUrl: () => string;
}

/**
 * Where nobody is asked who they are, reaching the address is all that it takes, and browsers reach what is on their machine for every page that they show. So a
 * change has to come from a page of ours or of this machine, and who comes by the loopback has to name a host that no stranger can have led here. Programs
 * say nothing of pages, and are let in. Throws `forbidden`.
 */
export function requireOwnMachine(request: Asked, { trustsOrigin, publicUrl }: OwnMachine): void {
  const isKnown = (host: string): boolean => NOBODY_ELSES.test(host) || hostnameOf(publicUrl()) === host;
  const { host, origin } = request.headers;
  if (LOOPBACK.test(request.socket.localAddress ?? '') && !isKnown(hostnameOf(`http://${host ?? 'localhost'}`))) {
    throw new PlatformError('forbidden', 'This host is not known here: name it in PUBLIC_APP_URL.');
  }
  if (request.method === 'GET' || request.method === 'HEAD' || request.method === 'OPTIONS') return;
  if (origin !== undefined && OF_THIS_MACHINE.test(hostnameOf(origin))) return;
  requireOwnOrigin(request, trustsOrigin);
}

/** Empty for what has none, such as the origin of a page in a sandbox. */
function hostnameOf(url: string): string {
  return URL.canParse(url) ? new URL(url).hostname.toLowerCase() : '';
}
