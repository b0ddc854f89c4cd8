import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { rootRoute } from '../../root-route.tsx';

interface ListSearch {
  search?: string;
  page?: number;
}

const list = createRoute({
  getParentRoute: () => rootRoute,
  path: '/sessions',
  validateSearch: (given: Record<string, unknown>): ListSearch => ({
    ...(typeof given['search'] === 'string' && given['search'] !== '' && { search: given['search'] }),
    ...(Number(given['page']) > 1 && { page: Number(given['page']) }),
  }),
  component: lazyRouteComponent(() => import('./list.tsx'), 'SessionList'),
});

export const sessionRoutes = [list];
