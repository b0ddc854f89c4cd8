/**
 * Who may do what. A permission is `org:<resource>:<action>`: `view` reads, `manage` makes and changes, `dangerous` deletes for good.
 * A role gives permissions in one organization; the scopes of a token can only take some away. Everything here is pure: what a caller
 * may do follows from rows that are read with each request, never from what a token claims.
 */

export const ROLES = ['owner', 'admin', 'member'] as const;
export type Role = (typeof ROLES)[number];

export const RESOURCES = [
  'agents',
  'harnesses',
  'sessions',
  'capabilities',
  'mcp-servers',
  'skills',
  'memories',
  'knowledge',
  'providers',
  'budgets',
  'settings',
  'members',
  'api-keys',
  'audit-logs',
  'reports',
] as const;
export type Resource = (typeof RESOURCES)[number];
export type Action = 'view' | 'manage' | 'dangerous';
export type Permission = `org:${Resource}:${Action}`;

/** What members make and change themselves; everything else they only see. */
const MANAGED_BY_MEMBERS: ReadonlySet<Resource> = new Set([
  'agents',
  'sessions',
  'capabilities',
  'mcp-servers',
  'skills',
  'memories',
  'knowledge',
]);
const HIDDEN_FROM_MEMBERS: ReadonlySet<Resource> = new Set(['audit-logs']);

const ACTIONS = ['view', 'manage', 'dangerous'] as const satisfies readonly Action[];

export const PERMISSIONS: readonly Permission[] = RESOURCES.flatMap((resource) =>
  ACTIONS.map((action): Permission => `org:${resource}:${action}`),
);

function isOfRole(role: Role, resource: Resource, action: Action): boolean {
  if (role === 'owner') return true;
  if (role === 'admin') return action !== 'dangerous';
  return action === 'view' ? !HIDDEN_FROM_MEMBERS.has(resource) : action === 'manage' && MANAGED_BY_MEMBERS.has(resource);
}

/** Everything, for an owner; all but deleting for good, for an administrator. */
export const ROLE_PERMISSIONS: Readonly<Record<Role, ReadonlySet<Permission>>> = {
  owner: permissionsOf('owner'),
  admin: permissionsOf('admin'),
  member: permissionsOf('member'),
};

function permissionsOf(role: Role): ReadonlySet<Permission> {
  return new Set(
    RESOURCES.flatMap((resource) =>
      ACTIONS.filter((action) => isOfRole(role, resource, action)).map((action): Permission => `org:${resource}:${action}`),
    ),
  );
}

/** What a token may be narrowed to: everything, everything that only reads, or single permissions. */
export const TOKEN_SCOPES: readonly string[] = ['*', 'read', ...PERMISSIONS];

/** The part of what a role gives that a token with these scopes may use. Scopes that are not known give nothing. */
export function withinScopes(granted: ReadonlySet<Permission>, scopes: readonly string[]): ReadonlySet<Permission> {
  if (scopes.includes('*')) return granted;
  const wanted = new Set(scopes);
  return new Set([...granted].filter((permission) => wanted.has(permission) || (wanted.has('read') && permission.endsWith(':view'))));
}

const RANK: Readonly<Record<Role, number>> = { member: 0, admin: 1, owner: 2 };

/** Nobody can give more than their own role. */
export function mayGrant(own: Role, given: Role): boolean {
  return RANK[given] <= RANK[own];
}

/** Does a token with the scopes `own` have everything that one with the scope `wanted` would have? */
function isCovered(own: ReadonlySet<string>, wanted: string): boolean {
  if (own.has('*') || own.has(wanted)) return true;
  if (wanted === 'read') return PERMISSIONS.every((permission) => !permission.endsWith(':view') || own.has(permission));
  return own.has('read') && wanted.endsWith(':view');
}

/** Nobody can give more than their own scopes. */
export function mayGrantScopes(own: readonly string[], given: readonly string[]): boolean {
  const owned = new Set(own);
  return given.every((scope) => isCovered(owned, scope));
}

export function areTokenScopes(scopes: readonly string[]): boolean {
  return scopes.every((scope) => TOKEN_SCOPES.includes(scope));
}
