import type { OutgoingHttpHeaders } from 'node:http';
import { Readable } from 'node:stream';
import { fromPublicId, PlatformError } from '@everruns/contract';
import type { Uuid } from '@everruns/contract';
import { summarizeEvents, sequenceRange } from '@everruns/storage';
import type { Queryable } from '@everruns/storage';
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import { expandGenerations, wantsGenerations } from './expand-generations.ts';
import { findEvents, listJson } from './list-events.ts';
import { parseListRequest } from './list-request.ts';
import type { Pipeline, PreparedStream } from './pipeline.ts';
import type { StreamRouteOptions } from './port.ts';
import { ResponseSink } from './response-sink.ts';
import { EventList, EventsSummary, ListQuery, SessionPath, StreamQuery } from './schemas.ts';
import type { RawQuery } from './stream-query.ts';
import { parseStreamRequest } from './stream-request.ts';

const HEADERS = {
  'content-type': 'text/event-stream',
  // No cache, and nobody on the way may hold frames back to compress or collect them.
  'cache-control': 'no-cache, no-store, no-transform',
  'x-accel-buffering': 'no',
};

const tags = ['Events'];

/** The log over HTTP: the stream, the list and its summary. */
export function streamRoutes(deps: { pipeline: Pipeline; db: Queryable }): FastifyPluginAsync<StreamRouteOptions> {
  return async (app, options) => {
    // The queries have rules and codes of their own; the schemas are for the API document.
    app.setValidatorCompiler(() => (value: unknown) => ({ value }));
    app.setSerializerCompiler(() => (data: unknown) => JSON.stringify(data));
    streamRoute(app, deps.pipeline, options);
    listRoute(app, deps.db, options);
    summaryRoute(app, deps.db, options);
  };
}

function streamRoute(app: FastifyInstance, pipeline: Pipeline, options: StreamRouteOptions): void {
  const description = 'Server-sent events: `connected`, then the events of the session, `disconnecting` before the server closes';
  app.get(
    '/v1/sessions/:id/sse',
    {
      exposeHeadRoute: false, // it would hold a stream that nobody reads
      schema: {
        tags,
        operationId: 'streamEvents',
        params: SessionPath,
        querystring: StreamQuery,
        response: { 200: { description, content: { 'text/event-stream': { schema: { type: 'string' } } } } },
      },
    },
    async (request, reply) => {
      const { orgId } = await options.scopeOf(request);
      const lastEventId = request.headers['last-event-id'];
      const wanted = parseStreamRequest(
        sessionOf(request),
        request.query as RawQuery,
        typeof lastEventId === 'string' ? lastEventId : undefined,
      );
      respond(await pipeline.prepare(orgId, wanted), reply);
    },
  );
}

function respond(prepared: PreparedStream, reply: FastifyReply): void {
  const response = reply.raw;
  if (response.destroyed) return prepared.abandon(); // the client left while we looked
  reply.hijack();
  response.writeHead(200, { ...(reply.getHeaders() as OutgoingHttpHeaders), ...HEADERS });
  const { socket } = response;
  const stream = prepared.open(new ResponseSink(response));
  const onDrain = (): void => stream.drained();
  socket?.on('drain', onDrain);
  response.on('close', () => {
    socket?.off('drain', onDrain);
    stream.closed();
  });
  response.on('error', () => undefined); // `close` follows
}

function listRoute(app: FastifyInstance, db: Queryable, options: StreamRouteOptions): void {
  app.get(
    '/v1/sessions/:id/events',
    { schema: { tags, operationId: 'listEvents', params: SessionPath, querystring: ListQuery, response: { 200: EventList } } },
    async (request, reply) => {
      const { orgId } = await options.scopeOf(request);
      const sessionId = sessionOf(request);
      const query = request.query as RawQuery;
      const found = await findEvents(db, { orgId, sessionId }, parseListRequest(sessionId, query));
      const { total } = found;
      const pages = wantsGenerations(query) ? expandGenerations(db, { sessionId }, found.pages) : found.pages;
      if (total !== null) reply.header('x-total-count', total);
      return reply.type('application/json; charset=utf-8').send(Readable.from(listJson(pages)));
    },
  );
}

function summaryRoute(app: FastifyInstance, db: Queryable, options: StreamRouteOptions): void {
  app.get(
    '/v1/sessions/:id/events/summary',
    { schema: { tags, operationId: 'summarizeEvents', params: SessionPath, response: { 200: EventsSummary } } },
    async (request) => {
      const { orgId } = await options.scopeOf(request);
      const at = { orgId, sessionId: sessionOf(request) };
      if ((await sequenceRange(db, at)) === null) throw new PlatformError('not_found', 'There is no such session.');
      const summary = await summarizeEvents(db, at);
      return {
        total: summary.total,
        turn_count: summary.turnCount,
        error_count: summary.errorCount,
        ...(summary.first === null ? {} : { first_ts: summary.first.toISOString() }),
        ...(summary.last === null ? {} : { last_ts: summary.last.toISOString() }),
        by_type: summary.byType.map(({ type, count }) => ({ event_type: type, count })),
      };
    },
  );
}

function sessionOf(request: FastifyRequest): Uuid {
  const { id } = request.params as { id: string };
  const sessionId = fromPublicId('session', id);
  if (sessionId === null) throw new PlatformError('malformed_id', 'Expected session_ and 32 hex digits.', { field: 'id' });
  return sessionId;
}
