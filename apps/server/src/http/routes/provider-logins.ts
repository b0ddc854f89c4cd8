import { PlatformError } from '@everruns/contract';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Identity } from '../../identity/identity.ts';
import { ATTEMPT_SECS } from '../../identity/providers/provider-logins.ts';
import type { FinishedLogin, ProviderLogins } from '../../identity/providers/provider-logins.ts';
import { safeReturnTo, withQuery } from '../../pages/return-to.ts';
import type { HomePath } from '../../pages/return-to.ts';
import { addressOf } from '../rate-limits.ts';
import type { Api } from '../types.ts';
import { welcome } from './auth.ts';
import { NoContent } from './params.ts';

export interface ProviderLoginRouteDeps {
  identity: Identity;
  logins: ProviderLogins;
  isHttpsOnly: boolean;
  proxyHops: number;
  homePath: HomePath;
}

const COOKIE = 'oauth_state';
const tags = ['Auth'];
const config = { open: true, audit: 'nothing' } as const;
const params = z.object({ provider: z.string().max(100) });

/** Browsers go through here on their way to a provider of logins and back. */
export function providerLoginRoutes(app: Api, deps: ProviderLoginRouteDeps): void {
  const { identity, logins, proxyHops } = deps;
  const { isHttpsOnly: secure } = deps;
  const cookie = { httpOnly: true, sameSite: 'lax', path: '/', secure } as const;
  const preHandler = async (request: FastifyRequest) => identity.limits.ofAddress('login', addressOf(request, proxyHops));
  const requireProvider = (id: string): void => {
    if (!logins.providers.some((provider) => provider.id === id)) {
      throw new PlatformError('not_found', 'Nobody logs in with this provider here.');
    }
  };
  app.get(
    '/v1/auth/oauth/:provider',
    {
      schema: {
        tags,
        operationId: 'startProviderLogin',
        params,
        querystring: z.object({ return_to: z.string().max(2_000).optional().describe('A path of the pages, for afterwards') }),
        response: { 302: NoContent },
      },
      config,
      preHandler,
    },
    async (request, reply) => {
      requireProvider(request.params.provider);
      const returnTo = safeReturnTo(request.query.return_to);
      const started = await logins.start(request.params.provider, returnTo).catch((cause: unknown) => ({ cause }));
      if ('cause' in started) {
        return refuse(request, reply, { identity, refused: { kind: 'refused', error: 'oauth_failed', cause: started.cause, returnTo } });
      }
      return reply.setCookie(COOKIE, started.cookie, { ...cookie, maxAge: ATTEMPT_SECS }).redirect(started.url.href);
    },
  );
  app.get(
    '/v1/auth/callback/:provider',
    { schema: { tags, operationId: 'finishProviderLogin', params, response: { 302: NoContent } }, config, preHandler },
    async (request, reply) => {
      requireProvider(request.params.provider);
      reply.clearCookie(COOKIE, cookie).header('referrer-policy', 'no-referrer');
      const query = new URL(request.url, 'http://request.invalid').searchParams;
      const finished = await logins.finish(request.params.provider, query, request.cookies[COOKIE]);
      if (finished.kind === 'refused') return refuse(request, reply, { identity, refused: finished });
      const client = { userAgent: request.headers['user-agent'] ?? null, ip: addressOf(request, proxyHops) };
      const opened = await identity.logins.open(finished.userId, client);
      if (finished.outcome !== 'known') await recordIdentity(request, finished);
      const { accessSecs, refreshSecs } = identity.auth;
      await welcome(request, reply, { ...opened, cookies: { isHttpsOnly: secure, accessSecs, refreshSecs } });
      return reply.redirect(`${identity.frontendUrl()}${finished.returnTo ?? deps.homePath(opened.user.memberships.length > 0)}`);
    },
  );
}

async function recordIdentity(request: FastifyRequest, { userId, outcome }: Extract<FinishedLogin, { kind: 'user' }>): Promise<void> {
  const { provider } = request.params as { provider: string };
  await request.recordAudit({
    action: outcome === 'created' ? 'auth.register.success' : 'auth.oauth.linked',
    actorUserId: userId,
    target: { type: 'user', id: userId },
    metadata: { provider },
  });
}

interface Refusal {
  identity: Identity;
  refused: Extract<FinishedLogin, { kind: 'refused' }>;
}

async function refuse(request: FastifyRequest, reply: FastifyReply, { identity, refused }: Refusal): Promise<FastifyReply> {
  const { error, cause, returnTo } = refused;
  if (cause !== undefined) request.log.warn({ err: cause }, 'login through a provider failed');
  const { provider } = request.params as { provider: string };
  await request.recordAudit({ action: 'auth.oauth.failure', actorUserId: null, target: null, metadata: { provider, error } });
  return reply.redirect(`${identity.frontendUrl()}${withQuery('/login', { error, return_to: returnTo })}`);
}
