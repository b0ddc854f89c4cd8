/** Where codes may be sent (RFC 8252, OAuth 2.1): to https anywhere, or to the very machine that the browser is on. */

export type ApplicationType = 'native' | 'web';

/** A browser takes these for its own machine, and the port of a native client may be another one each time. */
const LOOPBACK_HOSTS: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]']);
const LOOPBACK_NET = /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/;
const MAX_CHARS = 2_000;

/** Why codes may not be sent there, or null. */
export function redirectUriProblem(uri: unknown, type: ApplicationType | undefined): string | null {
  if (typeof uri !== 'string' || uri.length > MAX_CHARS || !/^[\x21-\x5b\x5d-\x7e]+$/.test(uri) || !URL.canParse(uri)) {
    return 'redirect_uris: each is an absolute URI.';
  }
  const { protocol, hostname, username, password } = new URL(uri);
  if (uri.includes('#')) return 'redirect_uris: they have no fragment.';
  if (username !== '' || password !== '') return 'redirect_uris: they name no user.';
  if (protocol === 'https:') return null;
  if (protocol !== 'http:' || !isLoopback(hostname)) return 'redirect_uris: they begin with https, or with http on the loopback.';
  return type === 'web' ? 'redirect_uris: a web application is not on the loopback.' : null;
}

function isLoopback(hostname: string): boolean {
  return LOOPBACK_HOSTS.has(hostname) || LOOPBACK_NET.test(hostname);
}

/**
 * Whether ports of loopback addresses are free, which is for clients that all of them are such or plain https. Everything else is compared
 * letter by letter.
 */
export function hasFreePorts(uris: readonly string[]): boolean {
  const parsed = uris.map((uri) => new URL(uri));
  const isKnown = parsed.every(({ protocol, hostname }) => LOOPBACK_HOSTS.has(hostname) === (protocol === 'http:'));
  return isKnown && parsed.some(({ protocol }) => protocol === 'http:');
}

/** As a person should see it: what decides who gets the code. */
export function shownHost(uri: string): string {
  const { host, hostname, protocol } = new URL(uri);
  return protocol === 'http:' ? `${hostname} (this computer)` : host;
}

/** As a content security policy names it, which knows no addresses of IPv6: then everything that begins alike. */
export function formTarget(uri: string): string {
  const { hostname, origin, protocol } = new URL(uri);
  return hostname.startsWith('[') ? protocol : origin;
}
