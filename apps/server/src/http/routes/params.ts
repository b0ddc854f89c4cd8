import { idParam, Slug } from '@everruns/contract';
import type { IdKind, Resource } from '@everruns/contract';
import { z } from 'zod';
import type { CallerScope } from '../../services/scope.ts';

export const IdOrName = z.object({ id_or_name: z.string().min(1).max(200) });

export function idPath<K extends IdKind>(kind: K) {
  return z.object({ id: idParam(kind) });
}

export function checkNameQuery(kind: 'agent' | 'harness') {
  return z.object({ name: Slug, exclude_id: idParam(kind).optional() });
}

export const NoContent = z.undefined();

const RESOURCE_OF = {
  agent: 'agents',
  harness: 'harnesses',
  session: 'sessions',
  capability: 'capabilities',
  mcp_server: 'mcp-servers',
  skill: 'skills',
  memory: 'memories',
  knowledge_base: 'knowledge',
  provider: 'providers',
  model: 'providers',
  budget: 'budgets',
  report: 'reports',
  organization: 'settings',
  member: 'members',
  api_key: 'api-keys',
  audit_log: 'audit-logs',
} as const satisfies Record<string, Resource>;

/** What the caller may do with a resource, as a user interface asks for it. */
export function policiesOf(
  { permissions }: Pick<CallerScope, 'permissions'>,
  id: keyof typeof RESOURCE_OF,
): { policies: Record<string, boolean> } {
  const actions = ['view', 'manage', 'dangerous'] as const;
  return {
    policies: Object.fromEntries(actions.map((action) => [`${id}.${action}`, permissions.has(`org:${RESOURCE_OF[id]}:${action}`)])),
  };
}
