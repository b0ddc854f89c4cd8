import { createRoute, lazyRouteComponent } from '@tanstack/react-router';
import { rootRoute } from '../../root-route.tsx';

export interface ListSearch {
  search?: string;
  archived?: true;
  /** The dialog for a new one is open. */
  add?: true;
}

const listSearch = (given: Record<string, unknown>): ListSearch => ({
  ...text(given, 'search'),
  ...(given['archived'] === true && { archived: true as const }),
  ...(given['add'] === true && { add: true as const }),
});

function text<K extends string>(given: Record<string, unknown>, key: K): { [name in K]?: string } {
  const value = given[key];
  return (typeof value === 'string' && value !== '' ? { [key]: value } : {}) as { [name in K]?: string };
}

const root = { getParentRoute: () => rootRoute } as const;

const mcpServers = createRoute({
  ...root,
  path: '/mcp-servers',
  validateSearch: listSearch,
  component: lazyRouteComponent(() => import('./mcp-servers.tsx'), 'McpServers'),
});
const mcpServer = createRoute({
  ...root,
  path: '/mcp-servers/$id',
  component: lazyRouteComponent(() => import('./mcp-server.tsx'), 'McpServerPage'),
});
const skills = createRoute({
  ...root,
  path: '/skills',
  validateSearch: listSearch,
  component: lazyRouteComponent(() => import('./skills.tsx'), 'Skills'),
});
const skill = createRoute({
  ...root,
  path: '/skills/$id',
  validateSearch: (given: Record<string, unknown>) => text(given, 'file'),
  component: lazyRouteComponent(() => import('./skill.tsx'), 'SkillPage'),
});
const knowledge = createRoute({
  ...root,
  path: '/knowledge',
  validateSearch: listSearch,
  component: lazyRouteComponent(() => import('./knowledge.tsx'), 'KnowledgeBases'),
});
const knowledgeBase = createRoute({
  ...root,
  path: '/knowledge/$id',
  validateSearch: (given: Record<string, unknown>) => ({ ...text(given, 'query'), ...text(given, 'entry') }),
  component: lazyRouteComponent(() => import('./knowledge-base.tsx'), 'KnowledgeBasePage'),
});
const memories = createRoute({
  ...root,
  path: '/memories',
  validateSearch: listSearch,
  component: lazyRouteComponent(() => import('./memories.tsx'), 'Memories'),
});
const memory = createRoute({
  ...root,
  path: '/memories/$id',
  validateSearch: (given: Record<string, unknown>) => text(given, 'file'),
  component: lazyRouteComponent(() => import('./memory.tsx'), 'MemoryPage'),
});

export const blockRoutes = [mcpServers, mcpServer, skills, skill, knowledge, knowledgeBase, memories, memory];
