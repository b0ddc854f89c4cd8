import { useQuery } from '@tanstack/react-query';
import { me } from './queries.ts';

/** Operators of the installation see its engine. */
export function useIsPlatformUser(): boolean {
  const { data } = useQuery(me);
  return (data as { is_platform_user?: boolean } | undefined)?.is_platform_user === true;
}
