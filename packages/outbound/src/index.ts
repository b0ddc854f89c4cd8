export { permits, type NetworkAccess } from './access-list.ts';
export { specialRangeOf } from './addresses.ts';
export { readBody, type ReadBody, type ReadLimits } from './body.ts';
export { checkUrl, type CheckParams } from './check.ts';
export { resolveBySystem, type Resolve } from './connect.ts';
export { EGRESS_CLASSES, LOOPBACK_RULES, parseEgressAllow, type EgressAllow, type EgressClass } from './egress-allow.ts';
export { OutboundError, outboundErrorOf, type OutboundCode } from './errors.ts';
export { createOutbound, type Outbound, type OutboundOptions, type OutboundPolicy } from './outbound.ts';
export { isRedirect, type RedirectMode } from './redirects.ts';
