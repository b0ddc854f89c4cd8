import { AuthenticationError } from '@everruns/client';
import type { components } from '@everruns/client';
import { QueryClient, queryOptions } from '@tanstack/react-query';
import { api, chosenOrganization } from './client.ts';

export type Schemas = components['schemas'];

/** Answers of one organization are never shown in another: the key begins with it. */
export const scoped = (...key: unknown[]): unknown[] => [chosenOrganization() ?? 'only', ...key];

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      // The client has tried again already where that makes sense.
      retry: false,
      throwOnError: (error) => error instanceof AuthenticationError,
    },
  },
});

export const me = queryOptions({ queryKey: scoped('me'), queryFn: () => api.get('/v1/auth/me'), staleTime: 60_000 });
export const authConfig = queryOptions({ queryKey: ['auth-config'], queryFn: () => api.get('/v1/auth/config'), staleTime: Infinity });
