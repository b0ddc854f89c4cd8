import { useQuery } from '@tanstack/react-query';
import { chosenOrganization } from './client.ts';
import { me } from './queries.ts';
import type { Schemas } from './queries.ts';

/** Who is signed in, with what that allows in the chosen organization. */
export type Caller = Schemas['CurrentUser'];

export function useCaller(): Caller | undefined {
  return useQuery(me).data;
}

/** Operators of the installation see its engine. */
export function useIsPlatformUser(): boolean {
  return useCaller()?.is_platform_user === true;
}

/** Whether the caller has a permission such as `org:members:manage`. Nothing is offered until it is known. */
export function usePermission(permission: string): boolean {
  return useCaller()?.permissions.includes(permission) === true;
}

/** The organization that the caller works in, with the role there; absent while it is loaded, and for who is in none. */
export function useMembership(): Caller['organizations'][number] | undefined {
  const organizations = useCaller()?.organizations ?? [];
  const chosen = chosenOrganization();
  return organizations.find(({ public_id: id }) => id === chosen) ?? organizations[0];
}
