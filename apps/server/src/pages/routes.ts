import { PlatformError } from '@everruns/contract';
import formbody from '@fastify/formbody';
import { toPlatformError } from '../http/problems.ts';
import type { Api } from '../http/types.ts';
import { accountPages } from './account-pages.ts';
import { devicePages } from './device-pages.ts';
import { requireOwnForm } from './forms.ts';
import { createSendPage, loadStylesheet } from './layout.ts';
import type { Stylesheet } from './layout.ts';
import { loginPages } from './login-pages.ts';
import { PAGE } from './page.ts';
import type { PagesDeps, PageTools } from './page.ts';
import { messagePage } from './views/account.ts';
import { cliLoginPage } from './views/device.ts';

/**
 * Pages for people, at the root. They are for installations without a front end of their own: where there is one, only the page stays that the
 * command line sends browsers to.
 */
export async function pageRoutes(app: Api, deps: PagesDeps): Promise<void> {
  const stylesheet = loadStylesheet();
  const send = createSendPage(stylesheet);
  const tools: PageTools = { ...deps, send };
  await app.register(async (pages: Api) => {
    await pages.register(formbody, { bodyLimit: 65_536 });
    guard(pages, tools);
    serveStylesheet(pages, stylesheet);
    pages.get('/cli/login-success', PAGE, async (_request, reply) => send(reply, cliLoginPage()));
    if (deps.identity.auth.frontendUrl !== null) return;
    loginPages(pages, tools);
    accountPages(pages, tools);
    devicePages(pages, tools);
  });
}

/** Forms come from our own pages alone, and what goes wrong is a page too. */
function guard(pages: Api, { send, publicUrl }: PageTools): void {
  pages.addHook('preHandler', async (request) => {
    if (request.method === 'POST') requireOwnForm(request, publicUrl());
  });
  pages.setErrorHandler(async (error, request, reply) => {
    const known = toPlatformError(error);
    if (known.status >= 500) request.log.error({ err: known.cause ?? known, code: known.code }, 'page failed');
    if (known.retryAfterSeconds !== undefined) reply.header('retry-after', String(known.retryAfterSeconds));
    const text = known.code === 'internal' ? 'Something went wrong on our side. Try again in a moment.' : known.message;
    return send(reply, messagePage(known.status === 429 ? 'Too many attempts' : 'That did not work', text), { status: known.status });
  });
}

function serveStylesheet(pages: Api, { path, text }: Stylesheet): void {
  pages.get<{ Params: { name: string } }>('/pages/:name', PAGE, async (request, reply) => {
    if (request.url !== path) throw new PlatformError('not_found', 'There is no such page.');
    return reply.type('text/css; charset=utf-8').header('cache-control', 'public, max-age=31536000, immutable').send(text);
  });
}
