import { useQuery } from '@tanstack/react-query';
import { api } from '../../data/client.ts';
import { scoped } from '../../data/queries.ts';
import { members } from './queries.ts';

type Names = ReadonlyMap<string, string>;

/** How agents and people are called; sessions go by their id. */
export function useSubjectNames(): { agents: Names; people: Names } {
  const { data: people } = useQuery(members);
  const { data: agents } = useQuery({
    queryKey: scoped('agents', 'choices'),
    queryFn: async () => (await api.get('/v1/agents', { params: { query: { limit: 100 } } })).data,
  });
  return {
    agents: new Map((agents ?? []).map(({ id, name, display_name }) => [id, display_name ?? name])),
    people: new Map((people ?? []).map(({ user_id, name }) => [user_id, name])),
  };
}
