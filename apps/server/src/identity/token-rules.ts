import { areTokenScopes, mayGrantScopes, PlatformError } from '@everruns/contract';
import type { Uuid } from '@everruns/contract';
import type { Caller } from '../http/caller.ts';

/** What a new token may be. What makes it, when that is a token itself, is never less than it. */

/** The token that makes another. */
export interface Maker {
  org_id: Uuid | null;
  scopes: readonly string[];
}

/** Throws `unsupported_pat_scopes`, and `forbidden` for more than the maker has. */
export function scopesOf(wanted: readonly string[] | undefined, own: readonly string[]): readonly string[] {
  const scopes = [...new Set(wanted ?? own)];
  if (!areTokenScopes(scopes)) {
    const unknown = scopes.filter((scope) => !areTokenScopes([scope]));
    throw new PlatformError('unsupported_pat_scopes', `There is no scope ${unknown.map((scope) => `"${scope}"`).join(', ')}.`, {
      field: 'scopes',
    });
  }
  if (!mayGrantScopes(own, scopes)) throw new PlatformError('forbidden', 'A token cannot make one that may do more.', { field: 'scopes' });
  return scopes;
}

export interface WantedReach {
  organization_id?: Uuid | undefined;
  all_organizations?: boolean | undefined;
  /** The organization that is chosen for the request. */
  chosen: Uuid | null;
}

/** The organization that a new token is bound to, or null for all. Whether its user is a member there is not looked at. */
export function reachOf({ organization_id, all_organizations, chosen }: WantedReach, maker: Maker | null): Uuid | null {
  const bound = maker?.org_id ?? null;
  if (all_organizations === true) {
    if (bound !== null) throw new PlatformError('forbidden', 'A token of one organization cannot make one for all of them.');
    return null;
  }
  const orgId = organization_id ?? bound ?? chosen;
  if (orgId === null) {
    throw new PlatformError('organization_required', 'Say which organization the token is for, or all_organizations.', {
      field: 'organization_id',
    });
  }
  if (bound !== null && orgId !== bound) throw noSuchOrganization();
  return orgId;
}

export function noSuchOrganization(): PlatformError {
  return new PlatformError('not_found', 'There is no such organization.', { field: 'organization_id' });
}

/** Throws for credentials that may use an account but not change what lets others into it. */
export function requireWholeAccount({ credential: { kind, scopes } }: Pick<Caller, 'credential'>): void {
  if (kind === 'mcp_access_token') throw new PlatformError('forbidden', 'A client of /mcp has nothing to do with tokens.');
  if (!scopes.includes('*')) throw new PlatformError('forbidden', 'This needs a token with the scope *.');
}
