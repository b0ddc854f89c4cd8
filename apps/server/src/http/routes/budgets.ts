import {
  Budget,
  BudgetCheckResult,
  BudgetQuery,
  CreateBudget,
  LedgerEntry,
  PageQuery,
  ResumeSessionResponse,
  toPublicId,
  TopUpBudget,
  UpdateBudget,
} from '@everruns/contract';
import { z } from 'zod';
import type { BudgetService } from '../../services/budgets.ts';
import type { Api } from '../types.ts';
import { idPath, NoContent } from './params.ts';

const tags = ['Budgets'];
const params = idPath('budget');
const ofSession = idPath('session');

/** The lists are bare arrays: the official clients read them so. */
export function budgetRoutes(app: Api, budgets: BudgetService): void {
  app.post(
    '/v1/budgets',
    { schema: { tags, operationId: 'createBudget', body: CreateBudget, response: { 201: Budget } } },
    async (request, reply) => reply.code(201).send(await budgets.create(request.scope, request.body)),
  );
  app.get(
    '/v1/budgets',
    { schema: { tags, operationId: 'listBudgets', querystring: BudgetQuery, response: { 200: z.array(Budget) } } },
    async (request) => budgets.list(request.scope, request.query),
  );
  app.get(
    '/v1/budgets/:id',
    { schema: { tags, operationId: 'getBudget', params, response: { 200: Budget } }, config: { cache: 'entity' } },
    async (request) => budgets.get(request.scope, request.params.id),
  );
  app.patch(
    '/v1/budgets/:id',
    { schema: { tags, operationId: 'updateBudget', params, body: UpdateBudget, response: { 200: Budget } }, config: { nulls: 'clear' } },
    async (request) => budgets.update(request.scope, request.params.id, request.body),
  );
  app.delete(
    '/v1/budgets/:id',
    { schema: { tags, operationId: 'deleteBudget', params, response: { 204: NoContent } } },
    async (request, reply) => {
      await budgets.remove(request.scope, request.params.id);
      return reply.code(204).send();
    },
  );
  app.post(
    '/v1/budgets/:id/top-up',
    { schema: { tags, operationId: 'topUpBudget', params, body: TopUpBudget, response: { 200: Budget } } },
    async (request) => budgets.topUp(request.scope, request.params.id, request.body),
  );
  app.get(
    '/v1/budgets/:id/ledger',
    { schema: { tags, operationId: 'listBudgetLedger', params, querystring: PageQuery, response: { 200: z.array(LedgerEntry) } } },
    async (request) => budgets.ledger(request.scope, request.params.id, request.query),
  );
  app.get(
    '/v1/budgets/:id/check',
    { schema: { tags, operationId: 'checkBudget', params, response: { 200: BudgetCheckResult } } },
    async (request) => budgets.check(request.scope, request.params.id),
  );
  sessionBudgetRoutes(app, budgets);
}

function sessionBudgetRoutes(app: Api, budgets: BudgetService): void {
  app.get(
    '/v1/sessions/:id/budgets',
    { schema: { tags, operationId: 'listSessionBudgets', params: ofSession, response: { 200: z.array(Budget) } } },
    async (request) => budgets.ofSession(request.scope, request.params.id),
  );
  app.get(
    '/v1/sessions/:id/budget-check',
    { schema: { tags, operationId: 'checkSessionBudgets', params: ofSession, response: { 200: BudgetCheckResult } } },
    async (request) => budgets.checkSession(request.scope, request.params.id),
  );
  app.post(
    '/v1/sessions/:id/resume',
    {
      schema: { tags, operationId: 'resumeSession', params: ofSession, response: { 200: ResumeSessionResponse } },
      config: { policy: 'org:sessions:manage' },
    },
    async (request) => ({
      session_id: toPublicId('session', request.params.id),
      resumed_budgets: await budgets.resumeSession(request.scope, request.params.id),
    }),
  );
}
