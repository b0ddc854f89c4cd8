import { keepPreviousData, queryOptions } from '@tanstack/react-query';
import { api } from '../../data/client.ts';
import { scoped } from '../../data/queries.ts';
import type { DeadLetterSearch } from './routes.ts';

const REFRESH_MS = 4_000;
export const LETTERS_PER_PAGE = 25;

const loadHealth = () => api.get('/v1/durable/health');
const loadWorkers = () => api.get('/v1/durable/workers');
const loadDeadLetters = ({ kind, page = 1 }: DeadLetterSearch) =>
  api.get('/v1/durable/dlq', {
    params: {
      query: {
        offset: String((page - 1) * LETTERS_PER_PAGE),
        limit: String(LETTERS_PER_PAGE),
        ...(kind !== undefined && { activity_type: kind }),
      },
    },
  });

export type DurableHealth = Awaited<ReturnType<typeof loadHealth>>;
export type DurableWorkers = Awaited<ReturnType<typeof loadWorkers>>;
export type DeadLetter = Awaited<ReturnType<typeof loadDeadLetters>>['data'][number];

export const health = queryOptions({
  queryKey: scoped('durable', 'health'),
  queryFn: loadHealth,
  refetchInterval: REFRESH_MS,
});

export const workers = queryOptions({
  queryKey: scoped('durable', 'workers'),
  queryFn: loadWorkers,
  refetchInterval: REFRESH_MS,
});

export const deadLetters = (search: DeadLetterSearch) =>
  queryOptions({
    queryKey: scoped('durable', 'dead-letters', search),
    queryFn: () => loadDeadLetters(search),
    placeholderData: keepPreviousData,
    refetchInterval: REFRESH_MS,
  });
