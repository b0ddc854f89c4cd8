import { CreateMessage, CreateMessageQuery, Message, messageAliases, MessagesQuery, WaitedMessage } from '@everruns/contract';
import { z } from 'zod';
import type { MessageService } from '../../services/messages.ts';
import type { Api } from '../types.ts';
import { idPath } from './params.ts';

const tags = ['Messages'];
const params = idPath('session');
/** The TypeScript SDK reads `messages`, everybody else `data`. */
const MessageList = z.object({ data: z.array(Message), messages: z.array(Message).describe('The same as data') });

export interface MessageRoutesDeps {
  messages: MessageService;
}

export function messageRoutes(app: Api, { messages }: MessageRoutesDeps): void {
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
      config: { aliases: messageAliases, audit: 'event_log' },
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
}
