import { matchesHost, normalHost } from './hosts.ts';

/** Which hosts a session may reach, as its configuration says: `allowed` unset means all, empty means none; `blocked` always wins. */
export interface NetworkAccess {
  allowed?: readonly string[] | undefined;
  blocked?: readonly string[] | undefined;
}

const DEFAULT_PORTS: Readonly<Record<string, string>> = { 'http:': '80', 'https:': '443' };

/**
 * Patterns are host names, `*.domain` for everything below a domain, or `*`, each with an optional port. A scheme before and a path behind are
 * tolerated: a blocked pattern then stands for its whole host, an allowed one with a path for nothing, since a path cannot be told apart later.
 */
export function permits(access: NetworkAccess | undefined, url: URL): boolean {
  const { allowed, blocked } = access ?? {};
  if (blocked?.some((pattern) => matches(pattern, url)) === true) return false;
  return allowed === undefined || allowed.some((pattern) => !hasPath(pattern) && matches(pattern, url));
}

function matches(pattern: string, url: URL): boolean {
  const bare = pattern
    .trim()
    .replace(/^[a-z][a-z0-9+.-]*:\/\//i, '')
    .split('/')[0] as string;
  const port = /:(\d+)$/.exec(isBareIpv6(bare) ? '' : bare)?.[1];
  const host = port === undefined ? bare : bare.slice(0, -port.length - 1);
  if (port !== undefined && port !== (url.port === '' ? DEFAULT_PORTS[url.protocol] : url.port)) return false;
  return host !== '' && matchesHost(normalHost(host), normalHost(url.hostname));
}

function isBareIpv6(text: string): boolean {
  return !text.startsWith('[') && text.split(':').length > 2;
}

function hasPath(pattern: string): boolean {
  const rest = pattern.trim().replace(/^[a-z][a-z0-9+.-]*:\/\//i, '');
  return rest.includes('/') && !/^[^/]*\/$/.test(rest);
}
