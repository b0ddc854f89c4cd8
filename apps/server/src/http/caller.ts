import { ANONYMOUS_USER_ID, DEFAULT_ORG_ID, PlatformError, ROLE_PERMISSIONS } from '@everruns/contract';
import type { Permission, Role, Uuid } from '@everruns/contract';
import type { CallerScope } from '../services/scope.ts';

/** What a request was let in with. */
export type CredentialKind = 'anonymous' | 'login' | 'personal_access_token' | 'mcp_access_token';

/** Whom a request comes from, as the database has it at this moment: no claim of a token is believed for any of it. */
export interface Caller {
  userId: Uuid;
  /** Null: the user belongs to none, or to several and has chosen none. */
  orgId: Uuid | null;
  role: Role | null;
  /** In the chosen organization, within the scopes of the token. */
  permissions: ReadonlySet<Permission>;
  /** May look at and steer the installation itself. */
  isPlatformUser: boolean;
  credential: {
    kind: CredentialKind;
    id: Uuid | null;
    scopes: readonly string[];
    /** The one organization that a bound token works in; null for everything else. */
    boundOrgId: Uuid | null;
  };
}

/** Auth mode `none`: one user, who may do everything. */
export const ANYONE: Caller = {
  userId: ANONYMOUS_USER_ID,
  orgId: DEFAULT_ORG_ID,
  role: 'admin',
  permissions: ROLE_PERMISSIONS.owner,
  isPlatformUser: true,
  credential: { kind: 'anonymous', id: null, scopes: ['*'], boundOrgId: null },
};

/** What a route asks of its caller. `user`: any known user, in an organization or not; `platform`: operators of the installation. */
export type Policy = 'user' | 'platform' | Permission;

/**
 * The caller in the chosen organization. A token that was narrowed changes nothing about its user's account or the installation. Throws
 * `forbidden`, or `organization_required` when the policy is one of an organization and none is chosen.
 */
export function admit(caller: Caller, policy: Policy | undefined, kind: 'read' | 'change'): CallerScope | null {
  const { orgId, userId, permissions, credential } = caller;
  if (policy === undefined) throw new Error('A route without a policy lets nobody in.');
  if (policy === 'platform' && !caller.isPlatformUser) throw new PlatformError('forbidden', 'This is for operators of the installation.');
  if ((policy === 'user' || policy === 'platform') && kind === 'change' && !credential.scopes.includes('*')) {
    throw new PlatformError('forbidden', 'This needs a token with the scope *.');
  }
  if (policy !== 'user' && policy !== 'platform') {
    if (orgId === null) throw new PlatformError('organization_required', 'Choose an organization with X-Org-Id.', { field: 'X-Org-Id' });
    if (!permissions.has(policy)) throw new PlatformError('forbidden', `This needs the permission ${policy}.`);
  }
  return orgId === null ? null : { orgId, userId, permissions };
}

/** The user, for what is about the account as a whole: a token of one organization knows of no other, and changes nothing there. Throws `forbidden`. */
export function wholeAccountOf({ userId, credential: { boundOrgId } }: Caller): Uuid {
  if (boundOrgId !== null) throw new PlatformError('forbidden', 'This token is for one organization, not for the account.');
  return userId;
}
