import type { Schemas } from '../../data/queries.ts';

export interface ScopeGroup {
  resource: string;
  title: string;
  scopes: { scope: string; label: string }[];
}

const ACTIONS: Readonly<Record<string, string>> = { view: 'See', manage: 'Change', dangerous: 'Delete for good' };

/** Permissions that a token may be narrowed to, those of one kind of thing together. Only what the caller has is offered. */
export function groupScopes(scopes: readonly Schemas['TokenScope'][], permissions: readonly string[]): ScopeGroup[] {
  const groups = new Map<string, ScopeGroup>();
  for (const { scope } of scopes) {
    const [, resource, action] = /^org:([^:]+):([^:]+)$/.exec(scope) ?? [];
    if (resource === undefined || action === undefined || !permissions.includes(scope)) continue;
    const group = groups.get(resource) ?? { resource, title: titleOf(resource), scopes: [] };
    group.scopes.push({ scope, label: ACTIONS[action] ?? action });
    groups.set(resource, group);
  }
  return [...groups.values()];
}

const TITLES: Readonly<Record<string, string>> = { 'mcp-servers': 'MCP servers', 'api-keys': 'Service accounts', reports: 'Usage' };

function titleOf(resource: string): string {
  const words = resource.replaceAll('-', ' ');
  return TITLES[resource] ?? words.slice(0, 1).toUpperCase() + words.slice(1);
}

/** What a token may do, in few words. */
export function scopesText(scopes: readonly string[]): string {
  if (scopes.includes('*')) return 'Everything';
  const single = scopes.filter((scope) => scope !== 'read').length;
  const parts = [scopes.includes('read') && 'See everything', single > 0 && `${single} ${single === 1 ? 'permission' : 'permissions'}`];
  return parts.filter((part) => part !== false).join(' and ') || 'Nothing';
}
