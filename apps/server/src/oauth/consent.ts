import { timingSafeEqual } from 'node:crypto';
import type { IdSource } from '@everruns/contract';
import { findUser } from '@everruns/storage';
import type { Database } from '@everruns/storage';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Provider } from 'oidc-provider';
import type { BrowserLogin } from '../http/browser-login.ts';
import type { Caller } from '../http/caller.ts';
import { toPlatformError } from '../http/problems.ts';
import type { Api } from '../http/types.ts';
import type { SendPage } from '../pages/layout.ts';
import { withQuery } from '../pages/return-to.ts';
import { consentPage, oauthErrorPage } from './consent-page.ts';
import type { OAuthKeys } from './keys.ts';
import { OAUTH_PATHS, resourceOf } from './metadata.ts';
import { formTarget, shownHost } from './redirect-uris.ts';
import { SCOPE } from './registration.ts';

export interface ConsentDeps {
  db: Database;
  ids: Pick<IdSource, 'next'>;
  server: () => Promise<Provider>;
  keys: OAuthKeys;
  browserLogin: BrowserLogin;
  publicUrl: () => string;
  frontendUrl: () => string;
  sendPage: SendPage;
}

/** A request of a client, in the browser that it was made in. */
interface Asked {
  uid: string;
  clientId: string;
  clientName: string;
  redirectUri: string;
}

/** The user is asked here, every time and by name: whoever has logged in as somebody else meanwhile is asked anew. */
export function consentRoutes(app: Api, deps: ConsentDeps): void {
  const path = `${OAUTH_PATHS.consent}/:uid`;
  const config = { open: true, audit: 'nothing' } as const;
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_request, body, done) => {
    done(null, Object.fromEntries(new URLSearchParams(body as string)));
  });
  app.setErrorHandler(async (error, request, reply) => {
    const known = toPlatformError(error);
    if (known.status >= 500) request.log.error({ err: known.cause ?? known, code: known.code }, 'consent failed');
    const text = known.status >= 500 ? 'Something went wrong on our side. Try again in a moment.' : known.message;
    return deps.sendPage(reply, oauthErrorPage(text), { status: known.status });
  });
  app.get<{ Params: { uid: string } }>(path, { schema: { hide: true }, config, exposeHeadRoute: false }, async (request, reply) => {
    const asked = await askedOf(deps, request, reply);
    if (asked === null) return gone(deps, reply);
    const caller = await signedIn(deps, request, reply);
    if (caller === null) return reply.redirect(loginUrl(deps, asked), 302);
    return ask(deps, { reply, asked, caller });
  });
  app.post<{ Params: { uid: string } }>(path, { schema: { hide: true }, config }, async (request, reply) => {
    const asked = await askedOf(deps, request, reply);
    if (asked === null) return gone(deps, reply);
    const caller = await signedIn(deps, request, reply);
    if (caller === null) return reply.redirect(loginUrl(deps, asked), 303);
    const form = (request.body ?? {}) as Record<string, string>;
    if (!isSame(form['form_token'] ?? '', formTokenOf(deps, asked, caller))) {
      const text = 'This page was shown to somebody else, or before you logged in again.';
      return deps.sendPage(reply, oauthErrorPage(text), { status: 403 });
    }
    const result =
      form['decision'] === 'approve'
        ? await granted(deps, { request, asked, caller })
        : { error: 'access_denied', error_description: 'the user did not agree' };
    const server = await deps.server();
    const next = await server.interactionResult(overProxy(request, deps), reply.raw, result, { mergeWithLastSubmission: false });
    return reply.redirect(next, 303);
  });
}

interface Situation {
  asked: Asked;
  caller: Caller;
}

async function ask(deps: ConsentDeps, { reply, asked, caller }: Situation & { reply: FastifyReply }): Promise<FastifyReply> {
  const user = await findUser(deps.db, caller.userId);
  if (user === null) return gone(deps, reply);
  const page = consentPage({
    clientName: asked.clientName,
    clientId: asked.clientId,
    redirectHost: shownHost(asked.redirectUri),
    user,
    action: `${OAUTH_PATHS.consent}/${asked.uid}`,
    formToken: formTokenOf(deps, asked, caller),
  });
  // The form's answer leads on to the client, and browsers hold that against the policy of the page.
  return deps.sendPage(reply, page, { formTargets: [formTarget(asked.redirectUri)] });
}

async function granted(deps: ConsentDeps, { request, asked, caller }: Situation & { request: FastifyRequest }) {
  const { Grant } = await deps.server();
  const grant = new Grant({ accountId: caller.userId, clientId: asked.clientId });
  const grantId = deps.ids.next();
  grant.jti = grantId;
  grant.addResourceScope(resourceOf(deps.publicUrl()), SCOPE);
  await grant.save();
  await request.recordAudit({
    action: 'oauth.grant.created',
    actorUserId: caller.userId,
    orgId: null,
    credential: { kind: caller.credential.kind, id: caller.credential.id },
    target: { type: 'oauth_client', id: asked.clientId },
    metadata: { grant_id: grantId },
  });
  return { login: { accountId: caller.userId, remember: false }, consent: { grantId } };
}

/** Null when there is no such request (any more), or it was made in another browser. */
async function askedOf(
  deps: ConsentDeps,
  request: FastifyRequest<{ Params: { uid: string } }>,
  reply: FastifyReply,
): Promise<Asked | null> {
  try {
    const server = await deps.server();
    const { uid, params } = await server.interactionDetails(overProxy(request, deps), reply.raw);
    const { client_id: clientId, redirect_uri: redirectUri } = params as { client_id: string; redirect_uri: string };
    const client = uid === request.params.uid ? await server.Client.find(clientId) : undefined;
    return client === undefined ? null : { uid, clientId, clientName: client.clientName ?? clientId, redirectUri };
  } catch (error) {
    if (error instanceof Error && error.name === 'SessionNotFound') return null;
    throw error;
  }
}

/** Somebody who is here in person: programs do not let others in. */
async function signedIn({ browserLogin }: ConsentDeps, request: FastifyRequest, reply: FastifyReply): Promise<Caller | null> {
  const caller = await browserLogin(request, reply);
  return caller?.credential.kind === 'login' || caller?.credential.kind === 'anonymous' ? caller : null;
}

function gone({ sendPage }: ConsentDeps, reply: FastifyReply): FastifyReply {
  return sendPage(reply, oauthErrorPage('The request has expired, or it was made in another browser.'), { status: 400 });
}

function loginUrl({ frontendUrl, publicUrl }: ConsentDeps, { uid }: Asked): string {
  const base = frontendUrl() === publicUrl() ? '' : frontendUrl();
  return `${base}${withQuery('/login', { return_to: `${OAUTH_PATHS.consent}/${uid}` })}`;
}

function formTokenOf({ keys }: ConsentDeps, { uid, clientId }: Asked, { userId, credential }: Caller): string {
  return keys.formToken([uid, clientId, userId, credential.id ?? '']);
}

function isSame(given: string, expected: string): boolean {
  return given.length === expected.length && timingSafeEqual(Buffer.from(given), Buffer.from(expected));
}

/** The scheme is that of the issuer, whatever the last proxy spoke. */
export function overProxy({ raw }: Pick<FastifyRequest, 'raw'>, { publicUrl }: { publicUrl: () => string }): FastifyRequest['raw'] {
  raw.headers['x-forwarded-proto'] = new URL(publicUrl()).protocol.slice(0, -1);
  return raw;
}
