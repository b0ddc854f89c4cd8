import {
  CancelResult,
  CancelSession,
  configurationAliases,
  CreateSession,
  idParam,
  pageLinks,
  PageQuery,
  paginated,
  PolicyMap,
  Preview,
  searchTokens,
  Session,
  SESSION_ORDERS,
  SessionFacets,
  SessionFilterQuery,
  SessionStats,
  SubmitToolResults,
  ToolResultsAccepted,
  Turn,
  TurnDetail,
  UpdateSession,
} from '@everruns/contract';
import type { SessionFilter } from '@everruns/storage';
import { z } from 'zod';
import type { MessageService } from '../../services/messages.ts';
import type { PreviewService } from '../../services/previews.ts';
import type { SessionService } from '../../services/sessions.ts';
import type { TurnService } from '../../turns/port.ts';
import type { Api } from '../types.ts';
import { idPath, NoContent, policiesOf } from './params.ts';

const tags = ['Sessions'];
const aliases = configurationAliases;
const params = idPath('session');
/** The TypeScript SDK reads `sessions`, everybody else `data`. */
const SessionList = paginated(Session).extend({ sessions: z.array(Session).describe('The same as data') });
const ListQuery = PageQuery.extend({ ...SessionFilterQuery.shape, order: z.enum(SESSION_ORDERS).default('created') });

export interface SessionRoutesDeps {
  previews: PreviewService;
  sessions: SessionService;
  messages: MessageService;
  turns: Pick<TurnService, 'deleteSession'>;
  urlOf: (path: string) => string;
}

export function sessionRoutes(app: Api, deps: SessionRoutesDeps): void {
  const { sessions, urlOf } = deps;
  app.get(
    '/v1/sessions',
    { schema: { tags, operationId: 'listSessions', querystring: ListQuery, response: { 200: SessionList } } },
    async (request) => {
      const { offset, limit, order, ...filter } = request.query;
      const page = { offset, limit };
      const found = await sessions.list(request.scope, { ...page, order, ...sessionFilter(filter) });
      return { data: found.rows, sessions: found.rows, total: found.total, ...page, ...pageLinks(urlOf(request.url), page, found.total) };
    },
  );
  app.get(
    '/v1/sessions/facets',
    { schema: { tags, operationId: 'getSessionFacets', querystring: SessionFilterQuery, response: { 200: SessionFacets } } },
    async (request) => sessions.facets(request.scope, sessionFilter(request.query)),
  );
  app.post(
    '/v1/sessions',
    { schema: { tags, operationId: 'createSession', body: CreateSession, response: { 201: Session } }, config: { aliases } },
    async (request, reply) => reply.code(201).send(await sessions.create(request.scope, request.body)),
  );
  app.post(
    '/v1/sessions/preview',
    {
      schema: { tags, operationId: 'previewSession', body: CreateSession, response: { 200: Preview } },
      config: { aliases, policy: 'org:sessions:view' },
    },
    async (request) => deps.previews.session(request.scope, request.body),
  );
  app.get(
    '/v1/sessions/:id/preview',
    { schema: { tags, operationId: 'previewStoredSession', params, response: { 200: Preview } } },
    async (request) => deps.previews.storedSession(request.scope, request.params.id),
  );
  app.get('/v1/sessions/stats', { schema: { tags, operationId: 'getSessionStats', response: { 200: SessionStats } } }, async (request) =>
    sessions.stats(request.scope),
  );
  app.get('/v1/sessions/config', { schema: { tags, operationId: 'getSessionPolicies', response: { 200: PolicyMap } } }, async ({ scope }) =>
    policiesOf(scope, 'session'),
  );
  app.get(
    '/v1/sessions/:id',
    { schema: { tags, operationId: 'getSession', params, response: { 200: Session } }, config: { cache: 'entity' } },
    async (request) => sessions.get(request.scope, request.params.id),
  );
  app.patch(
    '/v1/sessions/:id',
    { schema: { tags, operationId: 'updateSession', params, body: UpdateSession, response: { 200: Session } }, config: { nulls: 'clear' } },
    async (request) => sessions.update(request.scope, request.params.id, request.body),
  );
  app.delete(
    '/v1/sessions/:id',
    { schema: { tags, operationId: 'deleteSession', params, response: { 204: NoContent } } },
    async (request, reply) => {
      await deps.turns.deleteSession(request.scope, request.params.id);
      return reply.code(204).send();
    },
  );
  sessionActions(app, deps);
  turnRoutes(app, deps);
}

function sessionFilter(query: z.infer<typeof SessionFilterQuery>): Omit<SessionFilter, 'orgId' | 'userId'> {
  const { search, agent_id, source, status, mine, forked_from, include_archived } = query;
  return {
    tokens: searchTokens(search),
    includeArchived: include_archived ?? false,
    mine: mine ?? false,
    forkedFrom: forked_from ?? null,
    agentId: agent_id ?? null,
    source: source ?? null,
    status: status === 'waitingfortoolresults' ? 'waiting_for_tool_results' : (status ?? null),
  };
}

function sessionActions(app: Api, { sessions, messages }: SessionRoutesDeps): void {
  app.post(
    '/v1/sessions/:id/cancel',
    {
      schema: { tags, operationId: 'cancelSession', params, body: CancelSession, response: { 200: CancelResult } },
      config: { audit: 'event_log' },
    },
    async (request) => messages.cancel(request.scope, request.params.id, request.body.reason ?? undefined),
  );
  app.post(
    '/v1/sessions/:id/tool-results',
    {
      schema: { tags, operationId: 'submitToolResults', params, body: SubmitToolResults, response: { 200: ToolResultsAccepted } },
      config: { audit: 'event_log' },
    },
    async (request) => messages.submitToolResults(request.scope, request.params.id, request.body),
  );
  for (const [method, operationId, archived] of [
    ['PUT', 'archiveSession', true],
    ['DELETE', 'unarchiveSession', false],
  ] as const) {
    app.route({
      method,
      url: '/v1/sessions/:id/archive',
      schema: { tags, operationId, params, response: { 204: NoContent } },
      handler: async (request, reply) => {
        await sessions.setArchived(request.scope, request.params.id, archived);
        return reply.code(204).send();
      },
    });
  }
  app.put(
    '/v1/sessions/:id/pin',
    { schema: { tags, operationId: 'pinSession', params, response: { 204: NoContent } } },
    async (request, reply) => {
      await sessions.setPin(request.scope, request.params.id, true);
      return reply.code(204).send();
    },
  );
  app.delete(
    '/v1/sessions/:id/pin',
    { schema: { tags, operationId: 'unpinSession', params, response: { 204: NoContent } } },
    async (request, reply) => {
      await sessions.setPin(request.scope, request.params.id, false);
      return reply.code(204).send();
    },
  );
}

function turnRoutes(app: Api, { sessions, urlOf }: SessionRoutesDeps): void {
  app.get(
    '/v1/sessions/:id/turns',
    { schema: { tags, operationId: 'listTurns', params, querystring: PageQuery, response: { 200: paginated(Turn) } } },
    async (request) => {
      const page = request.query;
      const found = await sessions.turns(request.scope, request.params.id, page);
      return { data: found.rows, total: found.total, ...page, ...pageLinks(urlOf(request.url), page, found.total) };
    },
  );
  app.get(
    '/v1/sessions/:id/turns/:turn_id',
    {
      schema: { tags, operationId: 'getTurn', params: params.extend({ turn_id: idParam('turn') }), response: { 200: TurnDetail } },
      config: { cache: 'entity' },
    },
    async (request) => sessions.turn(request.scope, request.params.id, request.params.turn_id),
  );
}
