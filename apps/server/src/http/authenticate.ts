import { ANONYMOUS_USER_ID, DEFAULT_ORG_ID, fromPublicId, PlatformError } from '@everruns/contract';
import type { FastifyRequest } from 'fastify';
import type { CallerScope } from '../services/scope.ts';

/** Says who calls and in which organization, or throws `unauthenticated`, `malformed_id`, `not_found`. */
export type Authenticate = (request: FastifyRequest) => CallerScope | Promise<CallerScope>;

/**
 * Auth mode `none`: everybody is the anonymous administrator of the default organization, whatever credential comes along. Another
 * organization than that is as good as missing.
 */
export const authenticateAnyone: Authenticate = (request) => {
  const wanted = request.headers['x-org-id'];
  if (wanted !== undefined && wanted !== '') {
    const orgId = typeof wanted === 'string' ? fromPublicId('organization', wanted) : null;
    if (orgId === null) throw new PlatformError('malformed_id', 'Expected org_ and 32 hex digits in X-Org-Id.', { field: 'X-Org-Id' });
    if (orgId !== DEFAULT_ORG_ID) throw new PlatformError('not_found', 'There is no such organization.', { field: 'X-Org-Id' });
  }
  return { orgId: DEFAULT_ORG_ID, userId: ANONYMOUS_USER_ID };
};
