import type { Action, Resource } from '@everruns/contract';
import { admit } from './caller.ts';
import type { Policy } from './caller.ts';
import type { Authenticate } from './authenticate.ts';
import type { InnerCalls } from './inner-calls.ts';
import type { Api } from './types.ts';

const READS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Every route of the group asks for `view` of the resource when it reads and for `manage` when it does not, or for what the group asks
 * for; unless the route names a policy of its own.
 */
export async function govern(
  api: Api,
  group: Resource | 'user' | 'platform',
  routes: (scoped: Api) => void | Promise<void>,
): Promise<void> {
  await api.register(async (scoped: Api) => {
    scoped.addHook('onRoute', (route) => {
      const config = (route.config ??= {});
      if (config.open === true || config.policy !== undefined) return;
      const action: Action = [route.method].flat().every((method) => READS.has(method)) ? 'view' : 'manage';
      config.policy = group === 'user' || group === 'platform' ? group : `org:${group}:${action}`;
    });
    await routes(scoped);
  });
}

/** The one place where requests are let in: who calls, in which organization, and whether that is enough for the route. */
export function letIn(api: Api, authenticate: Authenticate, inner: InnerCalls): void {
  api.decorateRequest('caller');
  api.decorateRequest('scope');
  api.addHook('onRequest', async (request) => {
    const { open, policy } = request.routeOptions.config;
    if (open === true) return;
    request.caller = await request.chosenByPath(await (inner.current() ?? authenticate)(request));
    const scope = admit(request.caller, policy, READS.has(request.method) ? 'read' : 'change');
    if (scope !== null) request.scope = scope;
  });
  requirePolicies(api);
}

/** Refuses to start with a route that says neither that it is open nor what it asks of its caller. */
function requirePolicies(api: Api): void {
  const routes: { name: string; config: { open?: boolean; policy?: Policy } }[] = [];
  api.addHook('onRoute', (route) => {
    routes.push({ name: `${[route.method].flat().join('|')} ${route.url}`, config: (route.config ??= {}) });
  });
  api.addHook('onReady', async () => {
    const bare = routes.filter(({ config }) => config.open !== true && config.policy === undefined).map(({ name }) => name);
    if (bare.length > 0) throw new Error(`Routes without a policy: ${bare.join(', ')}.`);
  });
}
