import {
  CreateOrganization,
  CurrentUser,
  listOf,
  Organization,
  PolicyMap,
  SearchText,
  searchTokens,
  UpdateOrganization,
  UpdateUser,
  User,
  UserProfile,
} from '@everruns/contract';
import { z } from 'zod';
import type { OrganizationService } from '../../services/organizations.ts';
import type { Api } from '../types.ts';
import { idPath, policiesOf } from './params.ts';

const params = idPath('organization');
/** What an organization itself consists of. */
const OF_ORGANIZATION = ['organization', 'member', 'api_key', 'audit_log', 'budget', 'report'] as const;

export function organizationRoutes(app: Api, organizations: OrganizationService): void {
  const tags = ['Organizations'];
  app.get(
    '/v1/orgs',
    { schema: { tags, operationId: 'listOrganizations', response: { 200: listOf(Organization) } }, config: { policy: 'user' } },
    async ({ caller }) => ({ data: await organizations.list(caller) }),
  );
  app.post(
    '/v1/orgs',
    {
      schema: { tags, operationId: 'createOrganization', body: CreateOrganization, response: { 201: Organization } },
      config: { policy: 'user' },
    },
    async (request, reply) => reply.code(201).send(await organizations.create(request.caller, request.body.name)),
  );
  app.get(
    '/v1/orgs/:id',
    {
      schema: { tags, operationId: 'getOrganization', params, response: { 200: Organization } },
      config: { cache: 'entity', organization: 'path', policy: 'user' },
    },
    async (request) => organizations.get(request.caller, request.params.id),
  );
  app.patch(
    '/v1/orgs/:id',
    {
      schema: { tags, operationId: 'updateOrganization', params, body: UpdateOrganization, response: { 200: Organization } },
      config: { nulls: 'clear', organization: 'path', policy: 'org:settings:manage' },
    },
    async (request) => organizations.update(request.scope, request.params.id, request.body),
  );
  app.post(
    '/v1/orgs/:id/onboarding/complete',
    {
      schema: { tags, operationId: 'completeOnboarding', params, response: { 200: Organization } },
      config: { organization: 'path', policy: 'org:settings:manage' },
    },
    async (request) => organizations.completeOnboarding(request.scope),
  );
  app.get(
    '/v1/orgs/:id/config',
    {
      schema: { tags, operationId: 'getOrganizationPolicies', params, response: { 200: PolicyMap } },
      config: { organization: 'path', policy: 'user' },
    },
    async ({ scope }) => ({
      policies: Object.assign({}, ...OF_ORGANIZATION.map((id) => policiesOf(scope, id).policies)) as Record<string, boolean>,
    }),
  );
  app.get(
    '/v1/users',
    {
      schema: {
        tags,
        operationId: 'listUsers',
        querystring: z.object({ search: SearchText }),
        response: { 200: listOf(User) },
      },
      config: { policy: 'org:members:view' },
    },
    async (request) => ({ data: await organizations.members(request.scope, searchTokens(request.query.search)) }),
  );
  app.patch(
    '/v1/users/me',
    {
      schema: { tags, operationId: 'updateMe', body: UpdateUser, response: { 200: UserProfile } },
      config: { nulls: 'clear', policy: 'user' },
    },
    async (request) => organizations.updateMe(request.caller, request.body),
  );
  app.get(
    '/v1/auth/me',
    { schema: { tags: ['Auth'], operationId: 'getMe', response: { 200: CurrentUser } }, config: { policy: 'user' } },
    async ({ caller }) => organizations.me(caller),
  );
}
