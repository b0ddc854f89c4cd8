import {
  AnswerQuestions,
  AnswersAccepted,
  ApprovalRecord,
  DecidedToolCalls,
  DecideToolCalls,
  pageLinks,
  PageQuery,
  paginated,
  PendingApprovals,
  PendingQuestionList,
  PendingWait,
} from '@everruns/contract';
import { z } from 'zod';
import type { ApprovalService } from '../../services/approvals.ts';
import type { Api } from '../types.ts';
import { idPath, NoContent } from './params.ts';

const tags = ['Approvals'];
const params = idPath('session');

export interface ApprovalRoutesDeps {
  approvals: ApprovalService;
  urlOf: (path: string) => string;
}

/** What agents want of people: which calls wait for an approval, which questions are open, and what is said about them. */
export function approvalRoutes(app: Api, { approvals, urlOf }: ApprovalRoutesDeps): void {
  const calls = '/v1/sessions/:id/tool-approvals';
  app.get(calls, { schema: { tags, operationId: 'listPendingApprovals', params, response: { 200: PendingApprovals } } }, async (request) =>
    approvals.pendingApprovals(request.scope, request.params.id),
  );
  app.post(
    calls,
    {
      schema: { tags, operationId: 'decideToolCalls', params, body: DecideToolCalls, response: { 200: DecidedToolCalls } },
      config: { audit: 'event_log' },
    },
    async (request) => approvals.decide(request.scope, request.params.id, request.body),
  );
  app.delete(
    `${calls}/:tool`,
    {
      schema: {
        tags,
        operationId: 'forgetToolApproval',
        params: params.extend({ tool: z.string().min(1).max(256) }),
        response: { 204: NoContent },
      },
    },
    async (request, reply) => {
      await approvals.forget(request.scope, request.params.id, request.params.tool);
      return reply.code(204).send();
    },
  );
  const questions = '/v1/sessions/:id/question-answers';
  app.get(
    questions,
    { schema: { tags, operationId: 'listPendingQuestions', params, response: { 200: PendingQuestionList } } },
    async (request) => ({ data: await approvals.pendingQuestions(request.scope, request.params.id) }),
  );
  app.post(
    questions,
    {
      schema: { tags, operationId: 'answerQuestions', params, body: AnswerQuestions, response: { 200: AnswersAccepted } },
      config: { audit: 'event_log' },
    },
    async (request) => approvals.answer(request.scope, request.params.id, request.body),
  );
  app.get(
    '/v1/sessions/:id/approvals',
    { schema: { tags, operationId: 'listApprovalRecords', params, querystring: PageQuery, response: { 200: paginated(ApprovalRecord) } } },
    async (request) => {
      const page = request.query;
      const found = await approvals.records(request.scope, request.params.id, page);
      return { data: found.rows, total: found.total, ...page, ...pageLinks(urlOf(request.url), page, found.total) };
    },
  );
  app.get(
    '/v1/approvals',
    { schema: { tags, operationId: 'listPending', querystring: PageQuery, response: { 200: paginated(PendingWait) } } },
    async (request) => {
      const page = request.query;
      const found = await approvals.pending(request.scope, page);
      return { data: found.rows, total: found.total, ...page, ...pageLinks(urlOf(request.url), page, found.total) };
    },
  );
}
