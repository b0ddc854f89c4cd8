import { queryOptions } from '@tanstack/react-query';
import { api } from '../../data/client.ts';
import { scoped } from '../../data/queries.ts';
import { getRouteApi } from '@tanstack/react-router';

export const sessionRoute = getRouteApi('/sessions/$sessionId');

export const sessionQuery = (id: string) =>
  queryOptions({ queryKey: scoped('session', id), queryFn: () => api.get('/v1/sessions/{id}', { params: { path: { id } } }) });

/** Where the browser itself gets something of the session from. */
export const downloadAddress = (id: string, path: string): string => `/api/v1/sessions/${encodeURIComponent(id)}/${path}`;
