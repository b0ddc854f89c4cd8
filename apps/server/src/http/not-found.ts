import { PlatformError } from '@everruns/contract';
import { pathOf, sendProblem } from './problems.ts';
import type { Api } from './types.ts';
import type { AnswerWithPage } from './user-interface.ts';
import { isUnbuilt } from './unbuilt.ts';

interface KnownRoute {
  pattern: RegExp;
  method: string;
}

/** Tells "no such thing" from "not with this method" and from "not in this version". Must be set up before the routes are. */
export function answerUnknownRoutes(app: Api, apiPrefix: string, answerWithPage: AnswerWithPage): void {
  const routes: KnownRoute[] = [];
  app.addHook('onRoute', ({ url, method }) => {
    const pattern = patternOf(url);
    for (const one of Array.isArray(method) ? method : [method]) routes.push({ pattern, method: one });
  });
  app.setNotFoundHandler((request, reply) => {
    if (answerWithPage(request, reply)) return reply;
    const path = pathOf(request.url);
    const root = `${apiPrefix}/v1`;
    if (path.startsWith(`${root}/`) && isUnbuilt(path.slice(root.length))) {
      return sendProblem(reply, new PlatformError('not_in_this_version', 'This part of the API is not in this version.'));
    }
    const allowed = routes.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method);
    if (allowed.length > 0) {
      const list = [...new Set(allowed)].sort().join(', ');
      reply.header('allow', list);
      return sendProblem(reply, new PlatformError('method_not_allowed', `${request.method} is not possible here; possible are ${list}.`));
    }
    return sendProblem(reply, new PlatformError('not_found', `There is nothing at ${path}.`));
  });
}

function patternOf(url: string): RegExp {
  const source = url
    .split('/')
    .map((segment) => (segment.startsWith(':') ? '[^/]+' : segment === '*' ? '.*' : segment.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')))
    .join('/');
  return new RegExp(`^${source}$`);
}
