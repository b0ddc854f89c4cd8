import { queryOptions } from '@tanstack/react-query';
import { api, chosenOrganization } from '../../data/client.ts';
import { me, queryClient, scoped } from '../../data/queries.ts';
import type { Schemas } from '../../data/queries.ts';

export type Provider = Schemas['Provider'];
export type Model = Schemas['ModelWithProvider'];

export const providers = queryOptions({
  queryKey: scoped('providers', 'list'),
  queryFn: async () => (await api.get('/v1/providers')).data,
});

/** What each type of provider wants to know. */
export const drivers = queryOptions({
  queryKey: scoped('providers', 'drivers'),
  queryFn: async () => (await api.get('/v1/providers/config')).drivers,
  staleTime: Infinity,
});

export const models = queryOptions({
  queryKey: scoped('models', 'with-stale'),
  queryFn: async () => (await api.get('/v1/models', { params: { query: { include_stale: 'true' } } })).data,
});

export const organization = queryOptions({
  queryKey: scoped('organization'),
  queryFn: async () => {
    const id = chosenOrganization() ?? (await queryClient.fetchQuery(me)).organizations[0]?.public_id;
    if (id === undefined) throw new Error('You are in no organization.');
    return api.get('/v1/orgs/{id}', { params: { path: { id } } });
  },
});
