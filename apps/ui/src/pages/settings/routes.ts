import { createRoute, lazyRouteComponent, Navigate } from '@tanstack/react-router';
import { createElement } from 'react';
import { rootRoute } from '../../root-route.tsx';
import { isMeasure, isUsageGroup } from './usage-words.ts';
import type { Measure, UsageGroup } from './usage-words.ts';
import { isPeriod } from './periods.ts';
import type { Period } from './periods.ts';

type Given = Record<string, unknown>;

/** Members of an address that are texts with something in them. */
function texts<K extends string>(given: Given, ...names: K[]): { [N in K]?: string } {
  const found = names.flatMap((name) => {
    const value = given[name];
    return (typeof value === 'string' && value !== '') || typeof value === 'number' ? [[name, String(value)]] : [];
  });
  return Object.fromEntries(found) as { [N in K]?: string };
}

export interface MembersSearch {
  /** The dialog for an invitation is open. */
  invite?: true;
}

export interface TokensSearch {
  /** The dialog for a new token is open. */
  new?: true;
  /** The service account whose tokens are shown. */
  account?: string;
}

export interface UsageSearch {
  period?: Period;
  by?: UsageGroup;
  measure?: Measure;
  /** The budget whose ledger is shown. */
  budget?: string;
}

export interface AuditSearch {
  actor?: string;
  action?: string;
  target?: string;
  /** Days, such as 2026-11-22, in the time of the browser. */
  since?: string;
  until?: string;
  /** The page begins after this entry. */
  before?: string;
  /** The one whose details are shown. */
  entry?: string;
}

const home = createRoute({
  getParentRoute: () => rootRoute,
  path: '/settings',
  component: () => createElement(Navigate, { to: '/settings/organization', replace: true }),
});
const members = createRoute({
  getParentRoute: () => rootRoute,
  path: '/settings/members',
  validateSearch: (given: Given): MembersSearch => (given['invite'] === true ? { invite: true } : {}),
  component: lazyRouteComponent(() => import('./members.tsx'), 'Members'),
});
const tokens = createRoute({
  getParentRoute: () => rootRoute,
  path: '/settings/tokens',
  validateSearch: (given: Given): TokensSearch => ({
    ...texts(given, 'account'),
    ...(given['new'] === true && { new: true as const }),
  }),
  component: lazyRouteComponent(() => import('./tokens.tsx'), 'Tokens'),
});
const usage = createRoute({
  getParentRoute: () => rootRoute,
  path: '/settings/usage',
  validateSearch: (given: Given): UsageSearch => ({
    ...(isPeriod(given['period']) && { period: given['period'] }),
    ...(isUsageGroup(given['by']) && { by: given['by'] }),
    ...(isMeasure(given['measure']) && { measure: given['measure'] }),
    ...texts(given, 'budget'),
  }),
  component: lazyRouteComponent(() => import('./usage.tsx'), 'UsageAndBudgets'),
});
const auditLog = createRoute({
  getParentRoute: () => rootRoute,
  path: '/settings/audit-log',
  validateSearch: (given: Given): AuditSearch => texts(given, 'actor', 'action', 'target', 'since', 'until', 'before', 'entry'),
  component: lazyRouteComponent(() => import('./audit-log.tsx'), 'AuditLog'),
});
const organization = createRoute({
  getParentRoute: () => rootRoute,
  path: '/settings/organization',
  component: lazyRouteComponent(() => import('./organization.tsx'), 'Organization'),
});

export const settingRoutes = [home, members, tokens, usage, auditLog, organization] as const;
