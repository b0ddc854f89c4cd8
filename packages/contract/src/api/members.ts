import { z } from 'zod';
import { ROLES } from '../permissions.ts';
import { fromQuery, queryInteger } from './lists.ts';
import { idParam, publicId, ShortText, Timestamp } from './common.ts';
import { EmailAddress } from './identity.ts';

/** Who belongs to an organization, and who has been asked to. */

const Role = z.enum(ROLES);

export const CreateOrganization = z.object({ name: ShortText.trim().min(1) }).meta({ id: 'CreateOrganization' });

export const Member = z
  .object({
    user_id: z.string(),
    email: z.string(),
    name: z.string(),
    role: Role,
    avatar_url: z.string().optional(),
    created_at: Timestamp.describe('Since when the user is a member'),
  })
  .meta({ id: 'Member' });
export type Member = z.infer<typeof Member>;

export const UpdateMember = z.object({ role: Role }).meta({ id: 'UpdateMember' });

export const Invitation = z
  .object({
    id: publicId('invitation'),
    email: z.string(),
    role: Role,
    invited_by: z.string().optional().describe('User'),
    created_at: Timestamp,
    expires_at: Timestamp,
    token: z.string().optional().describe('Told once, by installations that send no mail: whoever invites passes it on'),
    url: z.string().optional().describe('Where the invited person accepts; told with the token'),
  })
  .meta({ id: 'Invitation' });
export type Invitation = z.infer<typeof Invitation>;

export const CreateInvitation = z.object({ email: EmailAddress, role: Role.default('member') }).meta({ id: 'CreateInvitation' });
export type CreateInvitation = z.infer<typeof CreateInvitation>;

export const AcceptedInvitation = z
  .object({ org_id: publicId('organization'), org_name: z.string(), role: Role })
  .meta({ id: 'AcceptedInvitation' });
export type AcceptedInvitation = z.infer<typeof AcceptedInvitation>;

export const SwitchedOrg = z.object({ org_id: publicId('organization'), success: z.boolean() });
export const ResolvedOrg = z.object({ org_id: publicId('organization'), org_name: z.string() }).meta({ id: 'ResolvedOrg' });
export type ResolvedOrg = z.infer<typeof ResolvedOrg>;
export const ResolveOrgQuery = z.object({ id: z.string().min(1).max(200).describe('Any public id') });

export const UserExport = z
  .object({
    user: z.object({
      id: z.string(),
      email: z.string(),
      name: z.string(),
      auth_provider: z.string().optional(),
      avatar_url: z.string().optional(),
      locale: z.string().optional(),
      timezone: z.string().optional(),
      created_at: Timestamp,
    }),
    organizations: z.array(z.object({ public_id: publicId('organization'), name: z.string(), role: z.string() })),
    personal_access_tokens: z.array(
      z.object({
        id: z.string(),
        name: z.string(),
        token_prefix: z.string(),
        scopes: z.array(z.string()),
        org_id: publicId('organization').optional(),
        expires_at: Timestamp.optional(),
        last_used_at: Timestamp.optional(),
        created_at: Timestamp,
      }),
    ),
    logins: z.array(
      z.object({ user_agent: z.string().optional(), ip: z.string().optional(), created_at: Timestamp, expires_at: Timestamp }),
    ),
    identities: z.array(z.object({ provider: z.string(), created_at: Timestamp })),
    connections: z.array(z.object({ org_id: publicId('organization'), provider: z.string(), created_at: Timestamp })),
    exported_at: Timestamp,
  })
  .meta({ id: 'UserExport' });
export type UserExport = z.infer<typeof UserExport>;

export const DeletedUser = z.object({ deleted: z.boolean() });

export const AuditLog = z
  .object({
    id: publicId('audit_log'),
    action: z.string().describe('Operation id of the request, or the name of an event'),
    domain: z.string(),
    actor_user_id: z.string().optional(),
    credential: z.object({ kind: z.string(), id: z.string().optional() }).optional(),
    target: z.object({ type: z.string(), id: z.string() }).optional(),
    reason: z.string().optional().describe('As the header `Everruns-Change-Reason` said'),
    ip: z.string().optional(),
    request_id: z.string().optional(),
    metadata: z.record(z.string(), z.unknown()).optional(),
    created_at: Timestamp,
  })
  .meta({ id: 'AuditLog' });
export type AuditLog = z.infer<typeof AuditLog>;

const MAX_AUDIT_PAGE = 200;
const Instant = z.iso.datetime({ offset: true, error: 'Expected an RFC 3339 time.' });

export const AuditQuery = z.object({
  limit: fromQuery(queryInteger({ min: 1, max: MAX_AUDIT_PAGE }).default(50)),
  before: idParam('audit_log').optional().describe('Entries older than this one'),
  action: z.string().max(200).optional(),
  actor: z.uuid().optional().describe('User'),
  target: z.string().max(200).optional().describe('Id of the thing that was changed'),
  domain: z.string().max(100).optional(),
  since: Instant.optional(),
  until: Instant.optional(),
});
export type AuditQuery = z.infer<typeof AuditQuery>;

export const AuditPage = z.object({
  data: z.array(AuditLog),
  next_before: publicId('audit_log').optional().describe('`before` of the next page; absent on the last one'),
});
