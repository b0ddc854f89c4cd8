import { queryOptions } from '@tanstack/react-query';
import { api } from '../../data/client.ts';
import { scoped } from '../../data/queries.ts';

export const skillUsage = queryOptions({ queryKey: scoped('skills', 'usage'), queryFn: () => api.get('/v1/skills/usage') });

/** `2 agents, 1 harness`. */
export function usageText(usage: { agents: number; harnesses: number } | undefined): string {
  if (usage === undefined || usage.agents + usage.harnesses === 0) return 'nobody yet';
  const { agents, harnesses } = usage;
  const parts = [
    agents > 0 && `${agents} ${agents === 1 ? 'agent' : 'agents'}`,
    harnesses > 0 && `${harnesses} ${harnesses === 1 ? 'harness' : 'harnesses'}`,
  ];
  return parts.filter(Boolean).join(', ');
}
