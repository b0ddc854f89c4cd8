import { isIP, type BlockList } from 'node:net';
import { isInside, subnet } from './addresses.ts';
import { matchesHost, normalHost } from './hosts.ts';

/** What a request is for. Each class has its own exceptions from the rule that only public addresses are reached. */
export type EgressClass = 'provider' | 'mcp' | 'webhook' | 'fetch';
export const EGRESS_CLASSES: readonly EgressClass[] = ['provider', 'mcp', 'webhook', 'fetch'];

export interface EgressAllow {
  /** May a request of this class go to this host, whatever address the name leads to? */
  host(kind: EgressClass, host: string): boolean;
  /** May it go to this address? */
  address(kind: EgressClass, ip: string): boolean;
}

interface Rule {
  classes: readonly EgressClass[];
  host?: string;
  network?: BlockList;
}

/** What developers run beside the platform. */
export const LOOPBACK_RULES = '127.0.0.0/8,::1/128';
const NOTHING = 'none';

/**
 * Parses `EGRESS_ALLOW`: entries separated by commas, each `target` (for every class) or `class=target`; a target is a host name, `*.domain`, an
 * address or a CIDR; `none` allows nothing. Throws an Error that names the entry that is wrong.
 */
export function parseEgressAllow(text: string): EgressAllow {
  const entries = text.split(',').flatMap((entry) => (entry.trim() === '' ? [] : [entry.trim()]));
  const rules = entries.filter((entry) => entry !== NOTHING).map(parseRule);
  const some = (kind: EgressClass, test: (rule: Rule) => boolean) => rules.some((rule) => rule.classes.includes(kind) && test(rule));
  return {
    host: (kind, host) => some(kind, (rule) => rule.host !== undefined && matchesHost(rule.host, normalHost(host))),
    address: (kind, ip) => some(kind, (rule) => rule.network !== undefined && isInside(rule.network, ip)),
  };
}

function parseRule(entry: string): Rule {
  const equals = entry.indexOf('=');
  const kind = equals < 0 ? undefined : entry.slice(0, equals).trim();
  const target = entry.slice(equals + 1).trim();
  if (kind !== undefined && !EGRESS_CLASSES.includes(kind as EgressClass)) {
    throw new Error(`"${entry}": the class must be one of ${EGRESS_CLASSES.join(', ')}`);
  }
  const classes = kind === undefined ? EGRESS_CLASSES : [kind as EgressClass];
  const network = parseNetwork(target);
  if (network !== null) return { classes, network };
  if (!/^(\*\.)?[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?\.?$/i.test(target)) {
    throw new Error(`"${entry}": expected a host name, *.domain, an IP address or a CIDR`);
  }
  return { classes, host: normalHost(target) };
}

function parseNetwork(target: string): BlockList | null {
  const [address = '', bits, ...rest] = target.split('/');
  const version = isIP(address);
  if (version === 0 || rest.length > 0) return null;
  const most = version === 4 ? 32 : 128;
  if (bits === undefined) return subnet(address, most, version === 4 ? 'ipv4' : 'ipv6');
  if (!/^\d{1,3}$/.test(bits) || Number(bits) > most) return null;
  return subnet(address, Number(bits), version === 4 ? 'ipv4' : 'ipv6');
}
