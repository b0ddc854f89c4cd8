import { z } from 'zod';
import { ROLES } from '../permissions.ts';
import { idParam, publicId, Timestamp } from './common.ts';

/** Credentials for programs (contract 2.2) and the users that are programs. */

const MAX_DAYS = 3_650;
const MAX_SCOPES = 100;

const Name = z.string().trim().min(1).max(100);
const Scopes = z
  .array(z.string().max(100))
  .min(1)
  .max(MAX_SCOPES)
  .describe('`*` for everything, `read` for everything that only reads, or permissions; those that there are: `GET /v1/auth/scopes`');
const ExpiresInDays = z.int().min(1).max(MAX_DAYS);

export const PersonalAccessToken = z
  .object({
    id: z.string(),
    name: z.string(),
    key_prefix: z.string().describe('The beginning of the token, to tell tokens apart by'),
    scopes: z.array(z.string()),
    organization_id: publicId('organization').optional().describe('The one that it reaches'),
    all_organizations: z.boolean().describe('It reaches every organization of the user'),
    metadata: z.object({ source: z.string(), hostname: z.string(), os: z.string(), ip: z.string() }).partial(),
    expires_at: Timestamp.optional(),
    last_used_at: Timestamp.optional(),
    created_at: Timestamp,
  })
  .meta({ id: 'PersonalAccessToken' });
export type PersonalAccessToken = z.infer<typeof PersonalAccessToken>;

export const NewPersonalAccessToken = PersonalAccessToken.extend({
  key: z.string().describe('The token. It is shown here and nowhere else.'),
}).meta({ id: 'NewPersonalAccessToken' });
export type NewPersonalAccessToken = z.infer<typeof NewPersonalAccessToken>;

export const CreatePersonalAccessToken = z
  .object({
    name: Name,
    scopes: Scopes.optional(),
    expires_in_days: ExpiresInDays.optional().describe('Absent: it does not expire, or not before the token that it is made with'),
    organization_id: idParam('organization').optional().describe('The one that it reaches; absent = the one that is chosen'),
    all_organizations: z.boolean().optional().describe('It reaches every organization of the user, those to come too'),
  })
  .refine(({ organization_id, all_organizations }) => organization_id === undefined || all_organizations !== true, {
    path: ['all_organizations'],
    message: 'Give one of organization_id and all_organizations.',
  })
  .meta({ id: 'CreatePersonalAccessToken' });
export type CreatePersonalAccessToken = z.infer<typeof CreatePersonalAccessToken>;

export const TokenScope = z.object({ scope: z.string(), description: z.string() }).meta({ id: 'TokenScope' });
export type TokenScope = z.infer<typeof TokenScope>;

const Role = z.enum(ROLES);
const Description = z.string().max(500);

export const ServiceAccount = z
  .object({
    id: z.string(),
    name: z.string(),
    description: z.string().optional(),
    role: Role,
    token_count: z.int(),
    last_used_at: Timestamp.optional(),
    created_at: Timestamp,
    updated_at: Timestamp,
  })
  .meta({ id: 'ServiceAccount' });
export type ServiceAccount = z.infer<typeof ServiceAccount>;

export const CreateServiceAccount = z
  .object({ name: Name, description: Description.optional(), role: Role.default('member') })
  .meta({ id: 'CreateServiceAccount' });
export type CreateServiceAccount = z.infer<typeof CreateServiceAccount>;

export const UpdateServiceAccount = z
  .object({ name: Name.optional(), description: Description.nullish(), role: Role.optional() })
  .meta({ id: 'UpdateServiceAccount' });
export type UpdateServiceAccount = z.infer<typeof UpdateServiceAccount>;

export const CreateServiceAccountToken = z
  .object({ name: Name, scopes: Scopes.optional(), expires_in_days: ExpiresInDays.optional() })
  .meta({ id: 'CreateServiceAccountToken' });
export type CreateServiceAccountToken = z.infer<typeof CreateServiceAccountToken>;

const Hostname = z.string().trim().min(1).max(255).optional();
const Os = z.string().trim().min(1).max(100).optional();

export const StartCliLogin = z
  .object({ redirect_port: z.int().min(1).max(65_535).describe('Where the command line listens on localhost') })
  .meta({ id: 'StartCliLogin' });

export const CliLogin = z
  .object({ auth_url: z.string().describe('To be opened in a browser'), state: z.string(), expires_in: z.int().describe('Seconds') })
  .meta({ id: 'CliLogin' });

export const ExchangeCliCode = z.object({ code: z.string().min(1).max(256), hostname: Hostname, os: Os }).meta({ id: 'ExchangeCliCode' });

export const CliExchange = z
  .object({
    personal_access_token: NewPersonalAccessToken,
    user: z.object({ id: z.string(), email: z.string(), name: z.string() }),
    organizations: z.array(z.object({ public_id: publicId('organization'), name: z.string(), role: z.string() })),
  })
  .meta({ id: 'CliExchange' });
export type CliExchange = z.infer<typeof CliExchange>;

/** RFC 8628, 3.1; what says more about the device is ours. */
export const StartDeviceLogin = z
  .object({ client_id: z.string().max(256).optional(), scope: z.string().max(1_000).optional(), hostname: Hostname, os: Os })
  .meta({ id: 'StartDeviceLogin' });

export const DeviceLogin = z
  .object({
    device_code: z.string(),
    user_code: z.string(),
    verification_uri: z.string(),
    verification_uri_complete: z.string(),
    expires_in: z.int().describe('Seconds'),
    interval: z.int().describe('Seconds to wait between two questions for the token'),
  })
  .meta({ id: 'DeviceLogin' });

export const PollDeviceLogin = z
  .object({ grant_type: z.string().max(100), device_code: z.string().max(256), client_id: z.string().max(256).optional() })
  .meta({ id: 'PollDeviceLogin' });

export const DeviceToken = CliExchange.extend({ access_token: z.string(), token_type: z.literal('Bearer'), expires_in: z.int() }).meta({
  id: 'DeviceToken',
});

/** As OAuth has errors (RFC 6749, 5.2). */
export const DeviceLoginError = z
  .object({
    error: z.enum(['authorization_pending', 'slow_down', 'access_denied', 'expired_token', 'invalid_grant', 'unsupported_grant_type']),
    error_description: z.string(),
  })
  .meta({ id: 'DeviceLoginError' });

const UserCode = z.string().min(1).max(32);
export const DeviceCodeQuery = z.object({ user_code: UserCode });
export const DecideDeviceLogin = z.object({ user_code: UserCode, decision: z.enum(['approve', 'deny']) }).meta({ id: 'DecideDeviceLogin' });

export const WaitingDevice = z
  .object({ user_code: z.string(), hostname: z.string().optional(), os: z.string().optional(), ip: z.string().optional() })
  .meta({ id: 'WaitingDevice' });
