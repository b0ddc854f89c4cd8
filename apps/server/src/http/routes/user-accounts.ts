import { DeletedUser, ResolvedOrg, ResolveOrgQuery, SwitchedOrg, SwitchOrg, toPublicId, UserExport } from '@everruns/contract';
import type { Uuid } from '@everruns/contract';
import type { UserAccountService } from '../../services/user-accounts.ts';
import { wholeAccountOf } from '../caller.ts';
import type { Caller } from '../caller.ts';
import type { Api } from '../types.ts';

export interface UserAccountRoutesDeps {
  accounts: UserAccountService;
  isHttpsOnly: boolean;
  /** Hears of organizations that nobody is left in. */
  closed: (orgIds: readonly Uuid[]) => void;
}

const tags = ['Organizations'];
const YEAR_SECONDS = 31_536_000;

/** What users do with their own account, whatever organization they are in. */
export function userAccountRoutes(app: Api, { accounts, isHttpsOnly, closed }: UserAccountRoutesDeps): void {
  app.post(
    '/v1/users/me/switch-org',
    {
      schema: { tags, operationId: 'switchOrganization', body: SwitchOrg, response: { 200: SwitchedOrg } },
      config: { policy: 'user', audit: 'nothing' },
    },
    async (request, reply) => {
      await accounts.requireMembership(accountOf(request.caller), request.body.org_id);
      const orgId = toPublicId('organization', request.body.org_id);
      // For browsers' streams and downloads, which cannot send a header. Pages read it.
      reply.header('set-cookie', `everruns_org=${orgId}; Path=/; SameSite=Lax; Max-Age=${YEAR_SECONDS}${isHttpsOnly ? '; Secure' : ''}`);
      return { org_id: orgId, success: true };
    },
  );
  app.get(
    '/v1/resolve-org',
    {
      schema: { tags, operationId: 'resolveOrganization', querystring: ResolveOrgQuery, response: { 200: ResolvedOrg } },
      config: { policy: 'user' },
    },
    async (request) => accounts.resolve(accountOf(request.caller), request.query.id),
  );
  app.get(
    '/v1/users/me/export',
    { schema: { tags, operationId: 'exportMe', response: { 200: UserExport } }, config: { policy: 'user' } },
    async ({ caller }) => accounts.export(wholeAccountOf(caller), new Date()),
  );
  app.delete(
    '/v1/users/me',
    { schema: { tags, operationId: 'deleteMe', response: { 200: DeletedUser } }, config: { policy: 'user' } },
    async (request) => {
      const outcome = await accounts.delete(wholeAccountOf(request.caller));
      const target = { type: 'user', id: request.caller.userId };
      await request.recordAudit({ orgId: null, target });
      for (const orgId of outcome.left) await request.recordAudit({ action: 'member.account_deleted', domain: 'members', orgId, target });
      closed(outcome.closed);
      return { deleted: true };
    },
  );
}

function accountOf({ userId, credential: { boundOrgId } }: Caller): { userId: Uuid; boundOrgId: Uuid | null } {
  return { userId, boundOrgId };
}
