import { domainToASCII } from 'node:url';

/** Lower case, punycode, no dot at the end, no brackets: one spelling for each host. A leading `*.` stays. */
export function normalHost(host: string): string {
  const star = host.startsWith('*.') ? '*.' : '';
  const name = host.slice(star.length).replace(/^\[|\]$/g, '');
  const ascii = name.includes(':') ? name : domainToASCII(name);
  return star + (ascii === '' ? name : ascii).toLowerCase().replace(/\.$/, '');
}

/** Does a pattern (`host`, `*.domain` for everything below a domain, or `*`) match a host? Both in their normal spelling. */
export function matchesHost(pattern: string, host: string): boolean {
  if (pattern === '*') return true;
  return pattern.startsWith('*.') ? host.endsWith(pattern.slice(1)) && host.length > pattern.length - 1 : pattern === host;
}
