import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { rootRoute } from '../../root-route.tsx';

/** Members of an address that are texts with something in them. */
function texts<K extends string>(given: Record<string, unknown>, ...names: K[]): { [N in K]?: string } {
  const found = names.flatMap((name) => {
    const value = given[name];
    return (typeof value === 'string' && value !== '') || typeof value === 'number' ? [[name, String(value)]] : [];
  });
  return Object.fromEntries(found) as { [N in K]?: string };
}

const list = createRoute({
  getParentRoute: () => rootRoute,
  path: '/sessions',
  validateSearch: (given: Record<string, unknown>): ListSearch => ({
    ...texts(given, 'search', 'agent', 'state'),
    ...(Number(given['page']) > 1 && { page: Number(given['page']) }),
    ...(given['archived'] === true && { archived: true as const }),
    ...(given['new'] === true && { new: true as const }),
  }),
  component: lazyRouteComponent(() => import('./list.tsx'), 'SessionList'),
});

export interface ListSearch {
  search?: string;
  agent?: string;
  state?: string;
  page?: number;
  archived?: true;
  new?: true;
}

const session = createRoute({
  getParentRoute: () => rootRoute,
  path: '/sessions/$sessionId',
  component: lazyRouteComponent(() => import('./session.tsx'), 'Session'),
});

const conversation = createRoute({
  getParentRoute: () => session,
  path: '/',
  component: lazyRouteComponent(() => import('./conversation-page.tsx'), 'ConversationPage'),
});
const timeline = createRoute({
  getParentRoute: () => session,
  path: 'timeline',
  validateSearch: (given: Record<string, unknown>) => texts(given, 'turn', 'step'),
  component: lazyRouteComponent(() => import('./timeline.tsx'), 'Timeline'),
});
const events = createRoute({
  getParentRoute: () => session,
  path: 'events',
  validateSearch: (given: Record<string, unknown>) => texts(given, 'type', 'q', 'event'),
  component: lazyRouteComponent(() => import('./events.tsx'), 'Events'),
});
const files = createRoute({
  getParentRoute: () => session,
  path: 'files',
  validateSearch: (given: Record<string, unknown>) => texts(given, 'path'),
  component: lazyRouteComponent(() => import('./files.tsx'), 'Files'),
});
const storage = createRoute({
  getParentRoute: () => session,
  path: 'storage',
  component: lazyRouteComponent(() => import('./storage.tsx'), 'Storage'),
});
const schedules = createRoute({
  getParentRoute: () => session,
  path: 'schedules',
  component: lazyRouteComponent(() => import('./schedules.tsx'), 'Schedules'),
});
const tasks = createRoute({
  getParentRoute: () => session,
  path: 'tasks',
  validateSearch: (given: Record<string, unknown>) => texts(given, 'task'),
  component: lazyRouteComponent(() => import('./tasks.tsx'), 'Tasks'),
});
const usage = createRoute({
  getParentRoute: () => session,
  path: 'usage',
  component: lazyRouteComponent(() => import('./usage.tsx'), 'Usage'),
});

export const sessionRoutes = [
  list,
  session.addChildren([conversation, timeline, events, files, storage, schedules, tasks, usage]),
] as const;
