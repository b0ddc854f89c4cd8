/** Which hosts an agent's outgoing requests may reach: `example.com`, `*.example.com` (every subdomain, not the domain itself) or `*`, each with an optional port. */
export interface NetworkAccess {
  /** Absent: every host. Empty: none. */
  allowed?: string[];
  blocked?: string[];
}

interface HostPattern {
  host: string;
  port: string | null;
}

/**
 * What two layers allow together. A layer can only narrow: of its allowed hosts those stay that the layers below allow too, and everything
 * that any of them blocks is blocked. A layer that says nothing changes nothing.
 */
export function narrowNetworkAccess(below: NetworkAccess | undefined, own: NetworkAccess | undefined): NetworkAccess | undefined {
  if (below === undefined || own === undefined) return below ?? own;
  const allowed =
    below.allowed === undefined || own.allowed === undefined
      ? (own.allowed ?? below.allowed)
      : unique([...own.allowed.filter((pattern) => covered(pattern, below)), ...below.allowed.filter((pattern) => covered(pattern, own))]);
  const blocked = unique([...(below.blocked ?? []), ...(own.blocked ?? [])]);
  return { ...(allowed !== undefined && { allowed }), ...(blocked.length > 0 && { blocked }) };
}

/** Does every host of `inner` also match `outer`? */
export function coversHost(outer: string, inner: string): boolean {
  const [general, special] = [parse(outer), parse(inner)];
  if (general.port !== null && general.port !== special.port) return false;
  if (general.host === '*' || general.host === special.host) return true;
  return general.host.startsWith('*.') && special.host.endsWith(general.host.slice(1)) && special.host !== '*';
}

function covered(pattern: string, access: NetworkAccess): boolean {
  return access.allowed?.some((outer) => coversHost(outer, pattern)) === true;
}

function parse(pattern: string): HostPattern {
  const match = /^(.*?)(?::(\d+))?$/.exec(pattern.toLowerCase());
  return { host: (match?.[1] ?? '').replace(/\.$/, ''), port: match?.[2] ?? null };
}

function unique(patterns: string[]): string[] {
  return [...new Set(patterns)];
}
