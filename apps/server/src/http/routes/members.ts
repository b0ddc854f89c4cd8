import {
  AcceptedInvitation,
  AuditPage,
  AuditQuery,
  CreateInvitation,
  fromPublicId,
  idParam,
  Invitation,
  listOf,
  Member,
  UpdateMember,
} from '@everruns/contract';
import { z } from 'zod';
import type { AuditLogService } from '../../services/audit-log.ts';
import type { InvitationService } from '../../services/organization-invitations.ts';
import type { MemberService } from '../../services/organization-members.ts';
import { wholeAccountOf } from '../caller.ts';
import type { Api } from '../types.ts';
import { idPath, NoContent } from './params.ts';

export interface MemberRoutesDeps {
  members: MemberService;
  invitations: InvitationService;
  auditLog: AuditLogService;
}

const params = idPath('organization');
const path = '/v1/orgs/:id';
const tags = ['Members'];
const ofUser = (userId: string): { type: string; id: string } => ({ type: 'user', id: userId });

/** Who belongs to an organization, and what has been changed in it. The organization is the one that the path names. */
export function memberRoutes(app: Api, deps: MemberRoutesDeps): void {
  peopleRoutes(app, deps);
  invitationRoutes(app, deps);
  app.get(
    `${path}/audit-logs`,
    {
      schema: { tags: ['Audit'], operationId: 'listAuditLogs', params, querystring: AuditQuery, response: { 200: AuditPage } },
      config: { organization: 'path', policy: 'org:audit-logs:view' },
    },
    async (request) => deps.auditLog.list(request.scope.orgId, request.query),
  );
  app.get(
    '/v1/audit-logs',
    {
      schema: { tags: ['Audit'], operationId: 'listInstallationAuditLogs', querystring: AuditQuery, response: { 200: AuditPage } },
      // Logins and what else is of no organization.
      config: { policy: 'platform' },
    },
    async (request) => deps.auditLog.list(null, request.query),
  );
}

function peopleRoutes(app: Api, { members }: MemberRoutesDeps): void {
  const one = { params: params.extend({ user_id: z.uuid() }) };
  app.get(
    `${path}/members`,
    {
      schema: { tags, operationId: 'listMembers', params, response: { 200: listOf(Member) } },
      config: { organization: 'path', policy: 'org:members:view' },
    },
    async (request) => ({ data: await members.list(request.scope) }),
  );
  app.patch(
    `${path}/members/:user_id`,
    {
      schema: { tags, operationId: 'updateMember', ...one, body: UpdateMember, response: { 200: Member } },
      config: { organization: 'path', policy: 'org:members:manage' },
    },
    async (request) => {
      const { member, before } = await members.changeRole(request.scope, request.params.user_id, request.body.role);
      await request.recordAudit({ target: ofUser(member.user_id), metadata: { role_before: before, role: member.role } });
      return member;
    },
  );
  app.delete(
    `${path}/members/:user_id`,
    {
      schema: { tags, operationId: 'removeMember', ...one, response: { 204: NoContent } },
      // Everybody may leave; removing somebody else asks for more.
      config: { organization: 'path', policy: 'org:members:view' },
    },
    async (request, reply) => {
      const mayLeave = request.caller.credential.scopes.includes('*');
      await members.remove({ ...request.scope, mayLeave }, request.params.user_id);
      await request.recordAudit({ target: ofUser(request.params.user_id) });
      return reply.code(204).send();
    },
  );
}

function invitationRoutes(app: Api, { invitations }: MemberRoutesDeps): void {
  app.get(
    `${path}/invites`,
    {
      schema: { tags, operationId: 'listInvitations', params, response: { 200: listOf(Invitation) } },
      config: { organization: 'path', policy: 'org:members:manage' },
    },
    async (request) => ({ data: await invitations.list(request.scope) }),
  );
  app.post(
    `${path}/invites`,
    {
      schema: { tags, operationId: 'createInvitation', params, body: CreateInvitation, response: { 201: Invitation } },
      config: { organization: 'path', policy: 'org:members:manage' },
    },
    async (request, reply) => {
      const scope = { ...request.scope, role: request.caller.role ?? 'member' };
      const invitation = await invitations.create(scope, request.body);
      await request.recordAudit({ target: { type: 'invitation', id: invitation.id }, metadata: { role: invitation.role } });
      return reply.code(201).send(invitation);
    },
  );
  app.delete(
    `${path}/invites/:invite_id`,
    {
      schema: {
        tags,
        operationId: 'revokeInvitation',
        params: params.extend({ invite_id: idParam('invitation') }),
        response: { 204: NoContent },
      },
      config: { organization: 'path', policy: 'org:members:manage' },
    },
    async (request, reply) => {
      await invitations.revoke(request.scope, request.params.invite_id);
      return reply.code(204).send();
    },
  );
  app.post(
    '/v1/invites/:token/accept',
    {
      schema: {
        tags,
        operationId: 'acceptInvitation',
        params: z.object({ token: z.string().min(1).max(200) }),
        response: { 200: AcceptedInvitation },
      },
      config: { policy: 'user' },
    },
    async (request) => {
      const accepted = await invitations.accept(wholeAccountOf(request.caller), request.params.token);
      const orgId = fromPublicId('organization', accepted.org_id);
      await request.recordAudit({ domain: 'members', orgId, target: ofUser(request.caller.userId), metadata: { role: accepted.role } });
      return accepted;
    },
  );
}
