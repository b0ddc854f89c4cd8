import { fromPublicId, PlatformError, ROLE_PERMISSIONS, withinScopes } from '@everruns/contract';
import type { Role, Uuid } from '@everruns/contract';
import type { FastifyRequest } from 'fastify';
import type { Caller } from './caller.ts';
import type { Api } from './types.ts';

/** The role of somebody in an organization, or null: no member, or no such organization. */
export type RoleOf = (orgId: Uuid, userId: Uuid) => Promise<Role | null>;

/**
 * Routes of an organization itself name it in their path (`config.organization: 'path'`): there it is the chosen one, whatever else a request
 * has chosen. Throws `not_found` where the caller is no member, with the same body as for one that is missing, and `malformed_id`.
 */
export function chooseByPath(app: Api, roleOf: RoleOf): void {
  app.decorateRequest('chosenByPath', function chosen(this: FastifyRequest, caller) {
    return this.routeOptions.config.organization === 'path' ? inOrganizationOf(this, caller, roleOf) : Promise.resolve(caller);
  });
}

async function inOrganizationOf({ params }: FastifyRequest, caller: Caller, roleOf: RoleOf): Promise<Caller> {
  const orgId = fromPublicId('organization', (params as { id?: string }).id ?? '');
  if (orgId === null) throw new PlatformError('malformed_id', 'Expected an id of the form org_ and 32 hex digits.', { field: 'id' });
  if (orgId === caller.orgId) return caller;
  const { boundOrgId, scopes } = caller.credential;
  const role = boundOrgId === null ? await roleOf(orgId, caller.userId) : null;
  if (role === null) throw new PlatformError('not_found', 'There is no such organization.');
  return { ...caller, orgId, role, permissions: withinScopes(ROLE_PERMISSIONS[role], scopes) };
}
