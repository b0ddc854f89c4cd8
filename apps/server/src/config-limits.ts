import { count, positive, variable } from './config-variables.ts';

/** How much of something there may be, how often something may be done, and how long it is remembered. */
export const LIMIT_ENVIRONMENT = {
  RESOURCE_LIMIT_MAX_ORGS_PER_USER: variable(count, '`5`, in grade dev `0`', 'Organizations that one user owns; 0 = no limit.'),
  RESOURCE_LIMIT_MAX_MEMBERS_PER_ORG: variable(
    count,
    '`50`, in grade dev `0`',
    'Members of an organization, invited ones included; 0 = no limit.',
  ),
  RATE_LIMIT_USER_ORG_CREATE_PER_HOUR: variable(
    count,
    '`10`, in grade dev `0`',
    'Organizations that one user makes in any hour; 0 = no limit.',
  ),
  RATE_LIMIT_ORG_SCHEDULE_CREATE_PER_MINUTE: variable(
    count,
    '`20`, in grade dev `0`',
    'Schedules that are made for one user in any minute, those that agents make included; 0 = no limit.',
  ),
  RATE_LIMIT_ORG_TOOL_CALLS_PER_MINUTE: variable(
    count,
    '`1000`, in grade dev `0`',
    'Tool calls of one organization that workers run in any minute; the agent is told of those that are refused. 0 = no limit.',
  ),
  AUDIT_LOG_RETENTION_DAYS: variable(positive, '`90`', 'Days that the audit log goes back.'),
} as const;

type LimitValues = { [K in keyof typeof LIMIT_ENVIRONMENT]?: number };

export interface LimitSettings {
  readonly organizations: { organizationsPerUser: number; membersPerOrg: number };
  /** How often; 0 = no limit. */
  readonly rates: { organizationsPerHour: number; schedulesPerMinute: number; toolCallsPerMinute: number };
  readonly auditDays: number;
}

/** In grade dev nothing is limited unless it is set. */
export function limitsOf(values: LimitValues, isUnlimited: boolean): LimitSettings {
  const unlessDev = (value: number | undefined, fallback: number): number => value ?? (isUnlimited ? 0 : fallback);
  return {
    organizations: {
      organizationsPerUser: unlessDev(values.RESOURCE_LIMIT_MAX_ORGS_PER_USER, 5),
      membersPerOrg: unlessDev(values.RESOURCE_LIMIT_MAX_MEMBERS_PER_ORG, 50),
    },
    rates: {
      organizationsPerHour: unlessDev(values.RATE_LIMIT_USER_ORG_CREATE_PER_HOUR, 10),
      schedulesPerMinute: unlessDev(values.RATE_LIMIT_ORG_SCHEDULE_CREATE_PER_MINUTE, 20),
      toolCallsPerMinute: unlessDev(values.RATE_LIMIT_ORG_TOOL_CALLS_PER_MINUTE, 1_000),
    },
    auditDays: values.AUDIT_LOG_RETENTION_DAYS ?? 90,
  };
}
