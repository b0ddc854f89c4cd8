import { useMutation, useQuery } from '@tanstack/react-query';
import type { UseMutationResult } from '@tanstack/react-query';
import { ApiError } from '@everruns/client';
import { api } from './client.ts';
import { queryClient, scoped } from './queries.ts';

/** Does something, and has all that was asked about these things asked again. */
export function useChange<I = void, O = unknown>(act: (input: I) => Promise<O>, ...things: string[]): UseMutationResult<O, Error, I> {
  return useMutation<O, Error, I>({
    mutationFn: act,
    onSuccess: async () => {
      await Promise.all(things.map((thing) => queryClient.invalidateQueries({ queryKey: scoped(thing) })));
    },
  });
}

/** What the server says about one member of what was sent, or about something below it. */
export function fieldError(error: unknown, field: string): string | undefined {
  if (!(error instanceof ApiError) || error.field === undefined) return undefined;
  return error.field === field || error.field.startsWith(`${field}.`) ? error.message : undefined;
}

const CONFIGS = {
  agent: '/v1/agents/config',
  harness: '/v1/harnesses/config',
  provider: '/v1/providers/config',
  model: '/v1/models/config',
  mcp_server: '/v1/mcp-servers/config',
  skill: '/v1/skills/config',
} as const;

/** Whether the caller may change things of a kind, and delete them for good. Nothing is offered until it is known. */
export function useMay(kind: keyof typeof CONFIGS): { manage: boolean; destroy: boolean } {
  const { data } = useQuery({ queryKey: scoped('policies', kind), queryFn: () => api.get(CONFIGS[kind]), staleTime: 60_000 });
  return { manage: data?.policies[`${kind}.manage`] === true, destroy: data?.policies[`${kind}.dangerous`] === true };
}
