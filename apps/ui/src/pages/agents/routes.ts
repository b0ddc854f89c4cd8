import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { rootRoute } from '../../root-route.tsx';

export interface ListSearch {
  search?: string;
  archived?: true;
}

const listSearch = (given: Record<string, unknown>): ListSearch => ({
  ...(typeof given['search'] === 'string' && given['search'] !== '' && { search: given['search'] }),
  ...(given['archived'] === true && { archived: true as const }),
});

export interface EditorSearch {
  view?: 'stats';
  /** What stands beside the prompt; the settings unless it is said. */
  side?: 'try';
}

const editorSearch = (given: Record<string, unknown>): EditorSearch => ({
  ...(given['view'] === 'stats' && { view: 'stats' as const }),
  ...(given['side'] === 'try' && { side: 'try' as const }),
});

const agents = createRoute({
  getParentRoute: () => rootRoute,
  path: '/agents',
  validateSearch: listSearch,
  component: lazyRouteComponent(() => import('./list.tsx'), 'AgentList'),
});
const newAgent = createRoute({
  getParentRoute: () => rootRoute,
  path: '/agents/new',
  component: lazyRouteComponent(() => import('./editor.tsx'), 'NewAgent'),
});
const agent = createRoute({
  getParentRoute: () => rootRoute,
  path: '/agents/$idOrName',
  validateSearch: editorSearch,
  component: lazyRouteComponent(() => import('./editor.tsx'), 'AgentEditor'),
});
const harnesses = createRoute({
  getParentRoute: () => rootRoute,
  path: '/harnesses',
  validateSearch: listSearch,
  component: lazyRouteComponent(() => import('./list.tsx'), 'HarnessList'),
});
const newHarness = createRoute({
  getParentRoute: () => rootRoute,
  path: '/harnesses/new',
  component: lazyRouteComponent(() => import('./editor.tsx'), 'NewHarness'),
});
const harness = createRoute({
  getParentRoute: () => rootRoute,
  path: '/harnesses/$idOrName',
  validateSearch: editorSearch,
  component: lazyRouteComponent(() => import('./editor.tsx'), 'HarnessEditor'),
});

export const agentRoutes = [agents, newAgent, agent, harnesses, newHarness, harness];
