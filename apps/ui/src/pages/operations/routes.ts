import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { rootRoute } from '../../root-route.tsx';

export interface DeadLetterSearch {
  kind?: 'reason' | 'tool';
  page?: number;
  /** The one whose details are shown. */
  entry?: string;
}

const health = createRoute({
  getParentRoute: () => rootRoute,
  path: '/operations',
  component: lazyRouteComponent(() => import('./health.tsx'), 'Health'),
});
const workers = createRoute({
  getParentRoute: () => rootRoute,
  path: '/operations/workers',
  component: lazyRouteComponent(() => import('./workers.tsx'), 'Workers'),
});
const deadLetters = createRoute({
  getParentRoute: () => rootRoute,
  path: '/operations/dead-letters',
  validateSearch: ({ kind, page, entry }: Record<string, unknown>): DeadLetterSearch => ({
    ...((kind === 'reason' || kind === 'tool') && { kind }),
    ...(Number.isInteger(page) && Number(page) > 1 && { page: Number(page) }),
    ...(typeof entry === 'string' && entry !== '' && { entry }),
  }),
  component: lazyRouteComponent(() => import('./dead-letters.tsx'), 'DeadLetters'),
});

export const operationRoutes = [health, workers, deadLetters] as const;
