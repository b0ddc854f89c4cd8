import { PlatformError } from '@everruns/contract';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { AuditEvent } from '../http/audit.ts';
import type { BrowserLogin } from '../http/browser-login.ts';
import type { Caller } from '../http/caller.ts';
import type { Identity } from '../identity/identity.ts';
import type { ProgramLogins } from '../identity/program-logins.ts';
import type { InvitationService } from '../services/organization-invitations.ts';
import type { OrganizationService } from '../services/organizations.ts';
import type { SendPage } from './layout.ts';
import type { HomePath } from './return-to.ts';

export interface PagesDeps {
  identity: Identity;
  programs: ProgramLogins;
  browserLogin: BrowserLogin;
  organizations: Pick<OrganizationService, 'me' | 'create'>;
  invitations: Pick<InvitationService, 'accept'>;
  /** Providers of logins: the name in their path, and the one for people. */
  providers: readonly { id: string; name: string }[];
  apiPrefix: string;
  publicUrl: () => string;
  isHttpsOnly: boolean;
  proxyHops: number;
  /** Where somebody is led who has logged in and wanted nothing else; another place for who belongs to no organization. */
  homePath: HomePath;
}

/** What every page is made with. */
export interface PageTools extends PagesDeps {
  send: SendPage;
}

/** Not part of the API's document; each change tells of itself. */
export const PAGE = { schema: { hide: true }, config: { open: true, audit: 'nothing' } } as const;

/** Who is logged in, or null. Throws `forbidden` for programs. */
export async function requireLogin(
  { browserLogin }: Pick<PageTools, 'browserLogin'>,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<Caller | null> {
  const caller = await browserLogin(request, reply);
  if (caller !== null && caller.credential.kind !== 'login' && caller.credential.kind !== 'anonymous') {
    throw new PlatformError('forbidden', 'Pages are for people: programs have the API.');
  }
  return caller;
}

/** What somebody who is logged in has changed with a page is in the audit log as if they had used the API. */
export function recordChange(request: FastifyRequest, { userId, credential: { kind, id } }: Caller, event: AuditEvent): Promise<void> {
  return request.recordAudit({ actorUserId: userId, credential: { kind, id }, ...event });
}
