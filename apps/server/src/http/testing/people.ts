import { createIdSource, fromPublicId, PlatformError, ROLE_PERMISSIONS, toPublicId, withinScopes } from '@everruns/contract';
import type { Role, Uuid } from '@everruns/contract';
import { listMemberships } from '@everruns/storage';
import type { Database } from '@everruns/storage';
import { ANYONE } from '../caller.ts';
import type { Authenticate } from '../authenticate.ts';

/** People of a test, each let in by their id: what they may do is read from the database with each request. */
export interface People {
  authenticate: Authenticate;
  /** Somebody whose address is verified, or not. */
  person(db: Database, email: string, isVerified?: boolean): Promise<Uuid>;
  join(db: Database, orgId: Uuid, userId: Uuid, role: Role): Promise<void>;
}

/** Headers of a request of somebody, in an organization. */
export function as(userId: Uuid, orgId?: Uuid): Record<string, string> {
  return { authorization: userId, ...(orgId === undefined ? {} : { 'x-org-id': toPublicId('organization', orgId) }) };
}

/** With the scopes of a token, and bound to one organization. */
export function withToken(
  headers: Record<string, string>,
  { scopes = '*', bound }: { scopes?: string; bound?: Uuid },
): Record<string, string> {
  return { ...headers, 'x-test-scopes': scopes, ...(bound === undefined ? {} : { 'x-test-bound': bound }) };
}

export function people(db: () => Database): People {
  const ids = createIdSource();
  return {
    async authenticate({ headers }) {
      const userId = headers.authorization ?? '';
      if (userId === '') throw new PlatformError('unauthenticated', 'Say who you are.');
      const memberships = await listMemberships(db(), userId);
      const bound = headers['x-test-bound'];
      const boundOrgId = typeof bound === 'string' ? bound : null;
      const named = headers['x-org-id'];
      const wanted = typeof named === 'string' ? fromPublicId('organization', named) : boundOrgId;
      const chosen = wanted === null && memberships.length === 1 ? memberships[0] : memberships.find(({ org_id }) => org_id === wanted);
      if (wanted !== null && (chosen === undefined || (boundOrgId !== null && boundOrgId !== wanted))) {
        throw new PlatformError('not_found', 'There is no such organization.');
      }
      const role = (chosen?.role ?? null) as Role | null;
      const scopes = String(headers['x-test-scopes'] ?? '*').split(',');
      return {
        ...ANYONE,
        userId,
        orgId: chosen?.org_id ?? null,
        role,
        isPlatformUser: false,
        permissions: role === null ? new Set() : withinScopes(ROLE_PERMISSIONS[role], scopes),
        credential: { kind: 'login', id: null, scopes, boundOrgId },
      };
    },
    async person(to, email, isVerified = true) {
      const id = ids.next();
      await to.run(
        {
          name: 'test_person',
          text: `insert into users (id, email, name, email_verified_at) values ($1, $2, $2, case when $3::boolean then now() end)`,
        },
        [id, email, isVerified],
      );
      return id;
    },
    async join(to, orgId, userId, role) {
      await to.run({ name: 'test_join', text: 'insert into org_members (org_id, user_id, role) values ($1, $2, $3)' }, [
        orgId,
        userId,
        role,
      ]);
    },
  };
}
