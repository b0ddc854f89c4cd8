import type { IdSource, Uuid } from '@everruns/contract';
import type { Database } from '@everruns/storage';
import type { Limiter } from '../limits/limiter.ts';
import { createAuditLogService } from '../services/audit-log.ts';
import type { Grade } from '../services/model-resolution.ts';
import { createInvitationService } from '../services/organization-invitations.ts';
import type { InvitationMails } from '../services/organization-invitations.ts';
import { createMemberService } from '../services/organization-members.ts';
import { createOrganizationService } from '../services/organizations.ts';
import { createUserAccountService } from '../services/user-accounts.ts';
import { organizationRate } from './rate-limits.ts';
import type { RateSettings } from './rate-limits.ts';
import { memberRoutes } from './routes/members.ts';
import { featureFlagRoutes } from './routes/feature-flags.ts';
import { organizationRoutes } from './routes/organizations.ts';
import { policyRoutes } from './routes/policies.ts';
import { userAccountRoutes } from './routes/user-accounts.ts';
import type { Api } from './types.ts';

/** Most organizations that one user owns, and most members of an organization; 0 = no limit. */
export interface OrganizationLimits {
  organizationsPerUser: number;
  membersPerOrg: number;
}

export interface OrganizationAreaDeps {
  db: Database;
  ids: IdSource;
  limiter: Limiter;
  rates: RateSettings;
  grade: Grade;
  limits: OrganizationLimits;
  isHttpsOnly: boolean;
  /** Null: no mail is sent, and whoever invites is told the link. */
  mails: InvitationMails | null;
  /** Throws `rate_limited` when an address has been invited too often. */
  admitInvited: (email: string) => Promise<void>;
  /** Where somebody accepts an invitation. */
  inviteUrl: (token: string) => string;
  /** Hears of organizations that nobody is left in. */
  closed: (orgIds: readonly Uuid[]) => void;
}

/** Organizations, who belongs to them, what has been changed in them, and what users do with their own account. */
export function organizationArea(group: Api, deps: OrganizationAreaDeps): void {
  const { db, ids, grade, limits, mails, isHttpsOnly, closed } = deps;
  const admit = organizationRate(deps.limiter, deps.rates);
  featureFlagRoutes(group);
  organizationRoutes(group, createOrganizationService({ db, ids, grade, admit, limit: limits.organizationsPerUser }));
  memberRoutes(group, {
    members: createMemberService({ db }),
    invitations: createInvitationService({ db, ids, mails, admit: deps.admitInvited, urlOf: deps.inviteUrl, limit: limits.membersPerOrg }),
    auditLog: createAuditLogService({ db }),
  });
  policyRoutes(group);
  userAccountRoutes(group, { accounts: createUserAccountService({ db }), isHttpsOnly, closed });
}
