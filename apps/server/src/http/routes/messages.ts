import { Readable } from 'node:stream';
import {
  CreateMessage,
  CreateMessageQuery,
  Message,
  messageAliases,
  MessagesQuery,
  PlatformError,
  WaitedMessage,
} from '@everruns/contract';
import { z } from 'zod';
import type { MessageService } from '../../services/messages.ts';
import type { SessionService } from '../../services/sessions.ts';
import type { Api } from '../types.ts';
import { idPath } from './params.ts';

const tags = ['Messages'];
const params = idPath('session');
/** The TypeScript SDK reads `messages`, everybody else `data`. */
const MessageList = z.object({ data: z.array(Message), messages: z.array(Message).describe('The same as data') });
const ExportQuery = z.object({ format: z.enum(['jsonl', 'atif']).default('jsonl') });

export interface MessageRoutesDeps {
  messages: MessageService;
  sessions: SessionService;
}

export function messageRoutes(app: Api, { messages, sessions }: MessageRoutesDeps): void {
  app.get(
    '/v1/sessions/:id/messages',
    { schema: { tags, operationId: 'listMessages', params, querystring: MessagesQuery, response: { 200: MessageList } } },
    async (request) => {
      const data = await messages.list(request.scope, request.params.id, request.query);
      return { data, messages: data };
    },
  );
  app.post(
    '/v1/sessions/:id/messages',
    {
      schema: {
        tags,
        operationId: 'createMessage',
        params,
        querystring: CreateMessageQuery,
        body: CreateMessage,
        response: { 200: z.union([Message, WaitedMessage]), 201: Message, 202: WaitedMessage },
      },
      config: { aliases: messageAliases },
    },
    async (request, reply) => {
      const { id } = request.params;
      if (request.query.wait !== true) {
        const message = await messages.post(request.scope, id, request.body);
        return reply.code(message.delivery === 'duplicate' ? 200 : 201).send(message);
      }
      const gone = new AbortController();
      // Of the response, not of the socket: that one lives on for the next request.
      reply.raw.once('close', () => gone.abort());
      const wait = { timeoutMs: request.query.timeout_ms, signal: gone.signal };
      const waited = await messages.postAndWait(request.scope, id, request.body, wait);
      return reply.code(waited.status === 'running' ? 202 : 200).send(waited);
    },
  );
  app.get(
    '/v1/sessions/:id/export',
    {
      schema: {
        tags,
        operationId: 'exportSession',
        params,
        querystring: ExportQuery,
        response: { 200: { description: 'One message per line', content: { 'application/x-ndjson': { schema: z.string() } } } },
      },
    },
    async (request, reply) => {
      if (request.query.format !== 'jsonl') throw new PlatformError('not_in_this_version', 'Only format=jsonl is in this version.');
      await sessions.require(request.scope, request.params.id);
      const lines = Readable.from(messages.exportLines(request.scope, request.params.id));
      return reply.type('application/x-ndjson; charset=utf-8').send(lines as unknown as string);
    },
  );
}
