import {
  CreatePersonalAccessToken,
  CreateServiceAccount,
  CreateServiceAccountToken,
  listOf,
  NewPersonalAccessToken,
  PersonalAccessToken,
  PlatformError,
  ServiceAccount,
  TOKEN_SCOPES,
  TokenScope,
  UpdateServiceAccount,
} from '@everruns/contract';
import type { Uuid } from '@everruns/contract';
import { z } from 'zod';
import type { ServiceAccountService } from '../../identity/service-accounts.ts';
import type { TokenService } from '../../identity/tokens.ts';
import type { Caller } from '../caller.ts';
import type { Api } from '../types.ts';
import { NoContent } from './params.ts';

const Id = z.uuid().transform((id) => id.toLowerCase());
const byId = z.object({ id: Id });
const byToken = z.object({ id: Id, token_id: Id });

/** Tokens of the caller. */
export function tokenRoutes(app: Api, tokens: TokenService): void {
  const tags = ['Auth'];
  const path = '/v1/auth/personal-access-tokens';
  app.get(
    path,
    { schema: { tags, operationId: 'listPersonalAccessTokens', response: { 200: listOf(PersonalAccessToken) } } },
    async ({ caller }) => ({ data: await tokens.list(caller) }),
  );
  app.post(
    path,
    {
      schema: {
        tags,
        operationId: 'createPersonalAccessToken',
        description: 'What is made with a token can do no more than that, lasts no longer, and is removed with it.',
        body: CreatePersonalAccessToken,
        response: { 201: NewPersonalAccessToken },
      },
    },
    async ({ caller, body }, reply) => reply.code(201).send(await tokens.create(caller, body)),
  );
  app.delete(
    `${path}/:id`,
    { schema: { tags, operationId: 'deletePersonalAccessToken', params: byId, response: { 204: NoContent } } },
    async ({ caller, params }, reply) => {
      await tokens.remove(caller, params.id);
      return reply.code(204).send();
    },
  );
  app.get('/v1/auth/scopes', { schema: { tags, operationId: 'listTokenScopes', response: { 200: listOf(TokenScope) } } }, async () => ({
    data: TOKEN_SCOPES.map((scope) => ({ scope, description: describe(scope) })),
  }));
}

/** Programs that are users of the organization. */
export function serviceAccountRoutes(app: Api, accounts: ServiceAccountService): void {
  const tags = ['Service accounts'];
  const path = '/v1/service-accounts';
  app.get(
    path,
    { schema: { tags, operationId: 'listServiceAccounts', response: { 200: listOf(ServiceAccount) } } },
    async ({ caller }) => ({ data: await accounts.list(inOrganization(caller)) }),
  );
  app.post(
    path,
    {
      schema: {
        tags,
        operationId: 'createServiceAccount',
        description:
          'A user that is a program: it cannot log in, and its tokens reach this organization alone. Its role is at most that of its maker.',
        body: CreateServiceAccount,
        response: { 201: ServiceAccount },
      },
    },
    async ({ caller, body }, reply) => reply.code(201).send(await accounts.create(inOrganization(caller), body)),
  );
  app.get(
    `${path}/:id`,
    { schema: { tags, operationId: 'getServiceAccount', params: byId, response: { 200: ServiceAccount } }, config: { cache: 'entity' } },
    async ({ caller, params }) => accounts.get(inOrganization(caller), params.id),
  );
  app.patch(
    `${path}/:id`,
    {
      schema: { tags, operationId: 'updateServiceAccount', params: byId, body: UpdateServiceAccount, response: { 200: ServiceAccount } },
      config: { nulls: 'clear' },
    },
    async ({ caller, params, body }) => accounts.update(inOrganization(caller), params.id, body),
  );
  app.delete(
    `${path}/:id`,
    {
      schema: {
        tags,
        operationId: 'deleteServiceAccount',
        description: 'Its tokens end at once.',
        params: byId,
        response: { 204: NoContent },
      },
    },
    async ({ caller, params }, reply) => {
      await accounts.remove(inOrganization(caller), params.id);
      return reply.code(204).send();
    },
  );
  serviceAccountTokenRoutes(app, accounts);
}

function serviceAccountTokenRoutes(app: Api, accounts: ServiceAccountService): void {
  const tags = ['Service accounts'];
  const path = '/v1/service-accounts/:id/tokens';
  app.get(
    path,
    { schema: { tags, operationId: 'listServiceAccountTokens', params: byId, response: { 200: listOf(PersonalAccessToken) } } },
    async ({ caller, params }) => ({ data: await accounts.listTokens(inOrganization(caller), params.id) }),
  );
  app.post(
    path,
    {
      schema: {
        tags,
        operationId: 'createServiceAccountToken',
        params: byId,
        body: CreateServiceAccountToken,
        response: { 201: NewPersonalAccessToken },
      },
    },
    async ({ caller, params, body }, reply) => reply.code(201).send(await accounts.createToken(inOrganization(caller), params.id, body)),
  );
  app.delete(
    `${path}/:token_id`,
    { schema: { tags, operationId: 'deleteServiceAccountToken', params: byToken, response: { 204: NoContent } } },
    async ({ caller, params }, reply) => {
      await accounts.removeToken(inOrganization(caller), params.id, params.token_id);
      return reply.code(204).send();
    },
  );
}

/** The route asks for a permission in an organization, so one is chosen. */
function inOrganization(caller: Caller): Caller & { orgId: Uuid } {
  if (caller.orgId === null) throw new PlatformError('organization_required', 'Choose an organization with X-Org-Id.');
  return { ...caller, orgId: caller.orgId };
}

const ACTIONS: Readonly<Record<string, string>> = { view: 'See', manage: 'Make and change', dangerous: 'Delete for good' };

/** `org:mcp-servers:manage` -> `Make and change mcp servers`. */
function describe(scope: string): string {
  if (scope === '*') return 'Everything that the user may do';
  if (scope === 'read') return 'See everything that the user may see';
  const [, resource = '', action = ''] = scope.split(':');
  return `${ACTIONS[action]} ${resource.replaceAll('-', ' ')}`;
}
