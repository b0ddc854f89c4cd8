import { DEFAULT_ORG_ID, fromPublicId, PlatformError } from '@everruns/contract';
import type { FastifyRequest } from 'fastify';
import { ANYONE } from './caller.ts';
import type { Caller } from './caller.ts';

/** Says who calls and in which organization, or throws `unauthenticated`, `malformed_id`, `not_found`. */
export type Authenticate = (request: FastifyRequest) => Caller | Promise<Caller>;

/**
 * Auth mode `none`: everybody is the anonymous administrator of the default organization, whatever credential comes along. Another
 * organization than that is as good as missing.
 */
export function authenticateAnyone(request: Pick<FastifyRequest, 'headers'>): Caller {
  const wanted = request.headers['x-org-id'];
  if (wanted !== undefined) {
    const orgId = typeof wanted === 'string' ? fromPublicId('organization', wanted) : null;
    if (orgId === null) throw new PlatformError('malformed_id', 'Expected org_ and 32 hex digits in X-Org-Id.', { field: 'X-Org-Id' });
    if (orgId !== DEFAULT_ORG_ID) throw new PlatformError('not_found', 'There is no such organization.', { field: 'X-Org-Id' });
  }
  return ANYONE;
}
