import type { AuditSearch } from './routes.ts';

/** `createAgent` -> `Create agent`; `auth.login.success` -> `Auth login success`. */
export function actionText(action: string): string {
  const words = action
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1 $2')
    .replaceAll(/[._-]+/g, ' ')
    .trim()
    .toLowerCase();
  return words.slice(0, 1).toUpperCase() + words.slice(1);
}

/** Midnight of a day such as `2026-11-22` where the browser is, so many days later; null for what is no day. */
export function midnightOf(day: string, daysLater = 0): Date | null {
  const [, year, month, date] = /^(\d{4})-(\d{2})-(\d{2})$/.exec(day) ?? [];
  if (year === undefined) return null;
  const midnight = new Date(Number(year), Number(month) - 1, Number(date) + daysLater);
  return Number.isNaN(midnight.getTime()) ? null : midnight;
}

export interface AuditAsked {
  limit: number;
  actor?: string;
  action?: string;
  target?: string;
  since?: string;
  until?: string;
  before?: string;
}

/** What is asked of the server. The last day is asked for with all of its hours. */
export function askedOf({ actor, action, target, since, until, before }: AuditSearch, limit: number): AuditAsked {
  const from = since === undefined ? null : midnightOf(since);
  const to = until === undefined ? null : midnightOf(until, 1);
  return {
    limit,
    ...(actor !== undefined && { actor }),
    ...(action !== undefined && { action }),
    ...(target !== undefined && { target }),
    ...(before !== undefined && { before }),
    ...(from !== null && { since: from.toISOString() }),
    ...(to !== null && { until: to.toISOString() }),
  };
}
