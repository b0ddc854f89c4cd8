import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { rootRoute } from '../../root-route.tsx';

interface ProvidersSearch {
  /** The dialog for a new provider is open. */
  add?: true;
}

const providers = createRoute({
  getParentRoute: () => rootRoute,
  path: '/settings/providers',
  validateSearch: (given: Record<string, unknown>): ProvidersSearch => (given['add'] === true ? { add: true } : {}),
  component: lazyRouteComponent(() => import('./providers.tsx'), 'Providers'),
});
const provider = createRoute({
  getParentRoute: () => rootRoute,
  path: '/settings/providers/$id',
  component: lazyRouteComponent(() => import('./provider.tsx'), 'ProviderPage'),
});
/** Links of the API lead to one model; it stands among the others of its provider. */
const model = createRoute({
  getParentRoute: () => rootRoute,
  path: '/settings/providers/$id/models/$modelId',
  component: lazyRouteComponent(() => import('./provider.tsx'), 'ModelOfProviderPage'),
});

export const providerRoutes = [providers, provider, model];
