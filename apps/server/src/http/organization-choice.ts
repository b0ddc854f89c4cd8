import { fromPublicId, PlatformError } from '@everruns/contract';
import type { Role, Uuid } from '@everruns/contract';
import type { KnownUser } from '../identity/lookup.ts';

export const ORG_HEADER = 'x-org-id';
/** Readable by pages, which show what is chosen. */
export const ORG_COOKIE = 'everruns_org';

export interface OrganizationWish {
  header: string | string[] | undefined;
  cookie: string | undefined;
}

interface Membership {
  orgId: Uuid;
  role: Role;
}

/**
 * The organization that a request works in: the one of a bound token, of the header, of the cookie, or the only one. Null when none is chosen. An
 * organization that the user is no member of is as good as missing; a cookie may be left over from before. Throws `malformed_id`, `not_found`, and
 * `unauthenticated` for a token whose organization its user has left.
 */
export function chooseOrganization(user: KnownUser, wish: OrganizationWish, boundOrgId: Uuid | null): Membership | null {
  const of = (orgId: Uuid | null): Membership | null => user.memberships.find((membership) => membership.orgId === orgId) ?? null;
  const named = wish.header === undefined ? null : requireId(wish.header);
  if (boundOrgId !== null) {
    if (named !== null && named !== boundOrgId) throw noSuchOrganization();
    const bound = of(boundOrgId);
    if (bound === null) throw new PlatformError('unauthenticated', 'The token is of an organization that its user has left.');
    return bound;
  }
  if (named !== null) {
    const chosen = of(named);
    if (chosen === null) throw noSuchOrganization();
    return chosen;
  }
  const remembered = wish.cookie === undefined ? null : of(fromPublicId('organization', wish.cookie));
  if (remembered !== null) return remembered;
  return user.memberships.length === 1 ? (user.memberships[0] ?? null) : null;
}

/** Throws `malformed_id`. */
export function requireId(header: string | string[]): Uuid {
  const orgId = typeof header === 'string' ? fromPublicId('organization', header) : null;
  if (orgId === null) throw new PlatformError('malformed_id', 'Expected org_ and 32 hex digits in X-Org-Id.', { field: 'X-Org-Id' });
  return orgId;
}

export function noSuchOrganization(): PlatformError {
  return new PlatformError('not_found', 'There is no such organization.', { field: 'X-Org-Id' });
}
