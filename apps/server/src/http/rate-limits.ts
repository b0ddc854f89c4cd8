import { PlatformError } from '@everruns/contract';
import type { Uuid } from '@everruns/contract';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { clientAddress } from '../limits/client-address.ts';
import { takeOrPass } from '../limits/take-or-pass.ts';
import type { Decision, Limiter } from '../limits/limiter.ts';
import type { InnerCalls } from './inner-calls.ts';
import { pathOf } from './problems.ts';
import type { Api } from './types.ts';

/** How often something may be asked for; 0 = no limit. */
export interface RateSettings {
  /** Requests to the API from one address, in a minute. */
  apiPerMinute: number;
  /** Sessions that are made in one organization, forks too, in a minute. */
  sessionsPerMinute: number;
  /** Organizations that one user makes in an hour. */
  organizationsPerHour: number;
  /** Proxies before this process that add to `X-Forwarded-For`. */
  proxyHops: number;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** What probes and generators of clients ask for. */
const FREE: ReadonlySet<string> = new Set(['/health', '/metrics', '/api-doc/openapi.json']);

/**
 * Every other request of an address counts, whether or not there is such a thing, but not what is asked inside for one that has been counted
 * already; when nobody can count, it passes.
 */
export function limitRequests(app: Api, limiter: Limiter, { apiPerMinute, proxyHops, inner }: RateSettings & { inner: InnerCalls }): void {
  if (apiPerMinute === 0) return;
  app.addHook('onRequest', async (request, reply) => {
    if (FREE.has(pathOf(request.url)) || inner.current() !== undefined) return;
    const decision = await takeOrPass(limiter, `api:global:${addressOf(request, proxyHops)}`, {
      limit: apiPerMinute,
      windowMs: MINUTE_MS,
    });
    if (decision === null) return;
    tell(reply, decision);
    refuse(decision, 'This address has sent too many requests.');
  });
}

/** Whose request it is, as far as the proxies before us can be believed. */
export function addressOf({ headers, socket }: Pick<FastifyRequest, 'headers' | 'socket'>, proxyHops: number): string {
  const forwardedFor = [headers['x-forwarded-for'] ?? []].flat().join(',');
  const realIp = [headers['x-real-ip'] ?? []].flat()[0];
  return clientAddress({ address: socket.remoteAddress ?? '', realIp, ...(forwardedFor !== '' && { forwardedFor }) }, proxyHops);
}

/** Throws `rate_limited` when an organization makes sessions too fast. */
export function sessionRate(limiter: Limiter, { sessionsPerMinute }: RateSettings): (orgId: Uuid) => Promise<void> {
  return async (orgId) => {
    if (sessionsPerMinute === 0) return;
    const decision = await takeOrPass(limiter, `org:session_create:${orgId}`, { limit: sessionsPerMinute, windowMs: MINUTE_MS });
    if (decision !== null) refuse(decision, `An organization can make ${sessionsPerMinute} sessions in a minute.`);
  };
}

/** Throws `rate_limited` when a user makes organizations too fast. */
export function organizationRate(limiter: Limiter, { organizationsPerHour }: RateSettings): (userId: Uuid) => Promise<void> {
  return async (userId) => {
    if (organizationsPerHour === 0) return;
    const decision = await takeOrPass(limiter, `user:org_create:${userId}`, { limit: organizationsPerHour, windowMs: HOUR_MS });
    if (decision !== null) refuse(decision, `A user can make ${organizationsPerHour} organizations in an hour.`);
  };
}

/** As the IETF's draft on rate limit header fields has them (draft-ietf-httpapi-ratelimit-headers-06). */
function tell(reply: FastifyReply, { limit, windowMs, remaining, resetMs }: Decision): void {
  reply.header('ratelimit-limit', limit);
  reply.header('ratelimit-remaining', remaining);
  reply.header('ratelimit-reset', seconds(resetMs));
  reply.header('ratelimit-policy', `${limit};w=${seconds(windowMs)}`);
}

/** The time that it tells is the time when there is room again. */
function refuse({ isAllowed, resetMs }: Decision, text: string): void {
  if (!isAllowed) throw new PlatformError('rate_limited', text, { retryAfterSeconds: seconds(resetMs) });
}

function seconds(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1_000));
}
