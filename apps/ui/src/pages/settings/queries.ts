import { queryOptions } from '@tanstack/react-query';
import { api, chosenOrganization } from '../../data/client.ts';
import { me, queryClient, scoped } from '../../data/queries.ts';
import type { Schemas } from '../../data/queries.ts';

export type Member = Schemas['Member'];
export type Invitation = Schemas['Invitation'];
export type Token = Schemas['PersonalAccessToken'];
export type Budget = Schemas['Budget'];

/** The organization that is worked in. */
export async function organizationId(): Promise<string> {
  const id = chosenOrganization() ?? (await queryClient.fetchQuery(me)).organizations[0]?.public_id;
  if (id === undefined) throw new Error('You are in no organization.');
  return id;
}

/** Works in another organization from here on: everything is loaded anew. */
export async function enter(id: string): Promise<void> {
  await api.post('/v1/users/me/switch-org', { body: { org_id: id } });
  window.location.assign('/');
}

/** Forgets which organization was worked in. */
export function leaveOrganization(): void {
  // The old name of an organization that one is not in any more would be told with each request, and refused.
  document.cookie = 'everruns_org=; Path=/; Max-Age=0; SameSite=Lax';
  window.location.assign('/');
}

export const members = queryOptions({
  queryKey: scoped('members', 'list'),
  queryFn: async () => (await api.get('/v1/orgs/{id}/members', { params: { path: { id: await organizationId() } } })).data,
});

export const invitations = queryOptions({
  queryKey: scoped('members', 'invitations'),
  queryFn: async () => (await api.get('/v1/orgs/{id}/invites', { params: { path: { id: await organizationId() } } })).data,
});

/** What the server keeps about the caller. */
export const ownData = queryOptions({ queryKey: scoped('me', 'data'), queryFn: () => api.get('/v1/users/me/export') });
