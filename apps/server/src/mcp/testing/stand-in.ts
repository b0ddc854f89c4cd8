import { DEFAULT_ORG_ID, fromPublicId, PlatformError, ROLE_PERMISSIONS, withinScopes } from '@everruns/contract';
import type { Role, Uuid } from '@everruns/contract';
import { ANYONE } from '../../http/caller.ts';
import type { Authenticate } from '../../http/authenticate.ts';

export const OTHER_ORG: Uuid = '00000000-0000-4000-8000-0000000000b0';
export const ALICE: Uuid = '00000000-0000-4000-8000-00000000a11c';
export const BOTH: Uuid = '00000000-0000-4000-8000-00000000b07a';
export const BOB: Uuid = '00000000-0000-4000-8000-000000000b0b';

/**
 * Credentials of tests, `Bearer <user> [scope] [bound]`: alice is an owner of the first organization, bob of the other one, both is a member
 * of both and bound to the first with `bound`.
 */
export const standIn: Authenticate = (request) => {
  const [scheme, who = '', scope = '*', bound] = (request.headers.authorization ?? '').split(' ');
  const known = MEMBERSHIPS[who];
  if (scheme !== 'Bearer' || known === undefined) throw new PlatformError('unauthenticated', 'no');
  const boundOrgId = bound === 'bound' ? DEFAULT_ORG_ID : null;
  const memberships = boundOrgId === null ? known.orgs : known.orgs.filter((one) => one === boundOrgId);
  const header = request.headers['x-org-id'];
  const wanted = typeof header === 'string' ? fromPublicId('organization', header) : null;
  if (wanted !== null && !memberships.includes(wanted)) throw new PlatformError('not_found', 'There is no such organization.');
  const orgId = wanted ?? (memberships.length === 1 ? (memberships[0] as Uuid) : null);
  return {
    ...ANYONE,
    userId: known.userId,
    orgId,
    role: known.role,
    permissions: orgId === null ? new Set() : withinScopes(ROLE_PERMISSIONS[known.role], [scope]),
    isPlatformUser: false,
    credential: { kind: 'personal_access_token', id: null, scopes: [scope], boundOrgId },
  };
};

const MEMBERSHIPS: Readonly<Record<string, { userId: Uuid; role: Role; orgs: readonly Uuid[] }>> = {
  alice: { userId: ALICE, role: 'owner', orgs: [DEFAULT_ORG_ID] },
  member: { userId: ALICE, role: 'member', orgs: [DEFAULT_ORG_ID] },
  bob: { userId: BOB, role: 'owner', orgs: [OTHER_ORG] },
  both: { userId: BOTH, role: 'owner', orgs: [DEFAULT_ORG_ID, OTHER_ORG] },
};
