import { queryOptions } from '@tanstack/react-query';
import { api } from '../../data/client.ts';
import { scoped } from '../../data/queries.ts';
import type { Schemas } from '../../data/queries.ts';

const PAGE = 100;

/** Everything that can be added: built-in capabilities, MCP servers and skills of the organization. */
export const capabilities = queryOptions({
  queryKey: scoped('capabilities', 'all'),
  queryFn: async () => {
    const found: Schemas['Capability'][] = [];
    for (;;) {
      const page = await api.get('/v1/capabilities', { params: { query: { limit: PAGE, offset: found.length } } });
      found.push(...page.data);
      if (page.data.length === 0 || found.length >= page.total) return found;
    }
  },
  staleTime: 30_000,
});

export const harnesses = queryOptions({
  queryKey: scoped('harnesses', 'all'),
  queryFn: async () => (await api.get('/v1/harnesses')).data,
});

export const models = queryOptions({
  queryKey: scoped('models', 'all'),
  queryFn: async () => (await api.get('/v1/models')).data,
});
