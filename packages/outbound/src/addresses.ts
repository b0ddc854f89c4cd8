import { BlockList, isIP, SocketAddress } from 'node:net';

/** Which addresses lie in the public network. Everything with a special meaning is not public, whether or not it can be reached today. */

const NOT_PUBLIC_V4 = [
  ['0.0.0.0', 8, 'this network'],
  ['10.0.0.0', 8, 'private'],
  ['100.64.0.0', 10, 'carrier-grade NAT'],
  ['127.0.0.0', 8, 'loopback'],
  ['169.254.0.0', 16, 'link-local'],
  ['172.16.0.0', 12, 'private'],
  ['192.0.0.0', 24, 'protocol assignments'],
  ['192.0.2.0', 24, 'documentation'],
  ['192.88.99.0', 24, 'relay anycast'],
  ['192.168.0.0', 16, 'private'],
  ['198.18.0.0', 15, 'benchmarking'],
  ['198.51.100.0', 24, 'documentation'],
  ['203.0.113.0', 24, 'documentation'],
  ['224.0.0.0', 4, 'multicast'],
  ['240.0.0.0', 4, 'reserved'],
] as const;

/** Of IPv6 only 2000::/3 is in use; the tunnels in it, which lead to IPv4 addresses, are left out whole. */
const PUBLIC_V6 = ['2000::', 3] as const;
const NOT_PUBLIC_V6 = [
  ['2001::', 23, 'protocol assignments'],
  ['2001:db8::', 32, 'documentation'],
  ['2002::', 16, '6to4'],
  ['3fff::', 20, 'documentation'],
] as const;

const v4 = NOT_PUBLIC_V4.map(([net, bits, what]) => ({ what, list: subnet(net, bits, 'ipv4') }));
const v6 = NOT_PUBLIC_V6.map(([net, bits, what]) => ({ what, list: subnet(net, bits, 'ipv6') }));
const publicV6 = subnet(PUBLIC_V6[0], PUBLIC_V6[1], 'ipv6');

/** What kind of address this is when it is not a public one, else null. The text must be an IP address. */
export function specialRangeOf(address: string): string | null {
  const ip = embeddedIpv4(address) ?? address;
  if (isIP(ip) === 4) return v4.find(({ list }) => list.check(ip, 'ipv4'))?.what ?? null;
  const special = v6.find(({ list }) => list.check(ip, 'ipv6'))?.what;
  if (special !== undefined) return special;
  return publicV6.check(ip, 'ipv6') ? null : 'not a public IPv6 address';
}

/** The IPv4 address that an IPv6 address of one of the translating forms stands for: `::ffff:a.b.c.d` and `64:ff9b::a.b.c.d`. */
export function embeddedIpv4(address: string): string | undefined {
  if (isIP(address) !== 6) return undefined;
  const match = /^(?:::ffff:|64:ff9b::)([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(canonicalIpv6(address));
  if (match === null) return undefined;
  const [high, low] = [Number.parseInt(match[1] as string, 16), Number.parseInt(match[2] as string, 16)];
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
}

/** A set of networks, for rules of people. */
export function subnet(network: string, prefix: number, family: 'ipv4' | 'ipv6'): BlockList {
  const list = new BlockList();
  list.addSubnet(network, prefix, family);
  return list;
}

export function isInside(list: BlockList, address: string): boolean {
  const ip = embeddedIpv4(address) ?? address;
  return list.check(ip, isIP(ip) === 6 ? 'ipv6' : 'ipv4');
}

/** A host of a URL as an IP address, without the brackets; null for a name. */
export function ipOf(hostname: string): string | null {
  const bare = hostname.startsWith('[') && hostname.endsWith(']') ? hostname.slice(1, -1) : hostname;
  return isIP(bare) === 0 ? null : bare;
}

/** The URL parser writes every form of an address in one way, hexadecimal throughout. */
function canonicalIpv6(address: string): string {
  const { address: plain } = new SocketAddress({ address: address.split('%')[0] as string, family: 'ipv6' });
  return new URL(`http://[${plain}]/`).hostname.slice(1, -1);
}
