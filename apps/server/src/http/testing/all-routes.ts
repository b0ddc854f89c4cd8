import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { createStreams } from '../../stream/streams.ts';
import { DEFAULT_STREAM_CONFIG } from '../../stream/port.ts';
import { durableRoutes } from '../../turns/durable-routes.ts';
import type { EngineFixture } from '../../turns/testing/fixture.ts';
import { govern } from '../govern.ts';
import type { AppDeps } from '../app.ts';
import type { Api } from '../types.ts';

/** A route as the router has it, whether the OpenAPI document shows it or not. */
export interface KnownRoute {
  method: string;
  url: string;
  operationId: string | undefined;
  /** Not in the OpenAPI document. */
  isHidden: boolean;
  /** As it is once the application has started. */
  config: { audit?: string; policy?: string };
}

/** The operation id, or `METHOD path` where the document has none. */
export function nameOf({ method, url, operationId, isHidden }: KnownRoute): string {
  return isHidden || operationId === undefined ? `${method} ${url}` : operationId;
}

/** Runs `start` and tells of every route that an application registered meanwhile; HEAD and OPTIONS, which follow their GET, are left out. */
export async function routesOf<T>(start: () => Promise<T>): Promise<{ started: T; routes: KnownRoute[] }> {
  const routes: KnownRoute[] = [];
  const watch = (message: unknown): void => {
    (message as { fastify: Api }).fastify.addHook('onRoute', (route) => {
      const { method, url } = route;
      const { operationId, hide } = (route.schema ?? {}) as { operationId?: string; hide?: boolean };
      // Filled by hooks of groups later on.
      const config = (route.config ??= {});
      for (const one of [method].flat()) {
        if (one !== 'HEAD' && one !== 'OPTIONS') routes.push({ method: one, url, operationId, isHidden: hide === true, config });
      }
    });
  };
  subscribe('fastify.initialization', watch);
  try {
    return { started: await start(), routes };
  } finally {
    unsubscribe('fastify.initialization', watch);
  }
}

/** Streams and monitoring, which the server adds to the application. */
export function streamsAndMonitoring({ db, engine }: EngineFixture): NonNullable<AppDeps['plugins']> {
  const streams = createStreams({
    db,
    openDedicated: () => db.dedicated(),
    peers: engine.peers,
    config: DEFAULT_STREAM_CONFIG,
    log: { warn: () => undefined },
    clock: { nowMs: () => performance.now(), date: () => new Date(), after: afterMs },
  });
  const monitoring = { db, workers: () => [], addUp: () => Promise.resolve(), requeue: (id: string) => engine.requeue(id) };
  return [
    (api) =>
      govern(api, 'sessions', async (group) => {
        group.addHook('onClose', () => streams.close());
        await group.register(streams.routes, { scopeOf: (request) => request.scope });
      }),
    (api) => govern(api, 'platform', (group) => durableRoutes(group, monitoring)),
  ];
}

function afterMs(delayMs: number, callback: () => void): () => void {
  const timer = setTimeout(callback, delayMs);
  return () => clearTimeout(timer);
}
