import type { Schemas } from '../../data/queries.ts';

export type Role = Schemas['Member']['role'];

const RANK: Readonly<Record<Role, number>> = { member: 0, admin: 1, owner: 2 };

export const ROLES: readonly { value: Role; label: string; about: string }[] = [
  { value: 'member', label: 'Member', about: 'Works with agents and sessions, and sees everything but the audit log.' },
  { value: 'admin', label: 'Admin', about: 'Changes settings, providers, members and budgets too.' },
  { value: 'owner', label: 'Owner', about: 'May also delete for good.' },
];

export const roleText = (role: string): string => ROLES.find(({ value }) => value === role)?.label ?? role;

/** Nobody gives, changes or takes away a role above their own. */
export function isWithin(own: string | undefined, role: Role): boolean {
  return own !== undefined && Object.hasOwn(RANK, own) && RANK[role] <= RANK[own as Role];
}

export const grantable = (own: string | undefined) => ROLES.filter(({ value }) => isWithin(own, value));
