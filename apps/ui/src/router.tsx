import { createRoute, createRouter, Navigate } from '@tanstack/react-router';
import { agentRoutes } from './pages/agents/routes.ts';
import { blockRoutes } from './pages/blocks/routes.ts';
import { operationRoutes } from './pages/operations/routes.ts';
import { providerRoutes } from './pages/providers/routes.ts';
import { sessionRoutes } from './pages/sessions/routes.ts';
import { settingRoutes } from './pages/settings/routes.ts';
import { rootRoute } from './root-route.tsx';

const home = createRoute({
  getParentRoute: () => rootRoute,
  path: '/',
  component: () => <Navigate to="/sessions" replace />,
});

export const router = createRouter({
  routeTree: rootRoute.addChildren([
    home,
    ...sessionRoutes,
    ...agentRoutes,
    ...providerRoutes,
    ...blockRoutes,
    ...operationRoutes,
    ...settingRoutes,
  ]),
  defaultPreload: 'intent',
  scrollRestoration: true,
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
