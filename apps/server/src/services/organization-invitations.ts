import { createHash, randomBytes } from 'node:crypto';
import { mayGrant, PlatformError, toPublicId } from '@everruns/contract';
import type { AcceptedInvitation, CreateInvitation, IdSource, Invitation, Role, Uuid } from '@everruns/contract';
import { acceptInvitation, createInvitation, findOrganization, listInvitations, revokeInvitation } from '@everruns/storage';
import type { Database, InvitationRow, Queryable } from '@everruns/storage';
import { INVITATION_PREFIX } from '../identity/mail-tokens.ts';
import { iso, present } from './present/fields.ts';
import type { CallerScope } from './scope.ts';

const LIFETIME_DAYS = 7;
/** 256 bits in hexadecimal digits. */
const TOKEN = /^evrinv_[0-9a-f]{64}$/;

/** How the invited hear of it. */
export interface InvitationMails {
  /** 64 hexadecimal digits that only this installation can derive from the row's id, so that the mail on its way holds no secret. */
  secretOf(invitationId: Uuid): string;
  /** Written with the invitation itself. */
  send(tx: Queryable, mail: { invitationId: Uuid; email: string; orgName: string }): Promise<void>;
}

export interface InvitationDeps {
  db: Database;
  ids: IdSource;
  /** Null: no mail is sent, and whoever invites is told the link. */
  mails: InvitationMails | null;
  /** Throws `rate_limited` when an address has been invited too often. */
  admit: (email: string) => Promise<void>;
  /** Where somebody accepts with a token. */
  urlOf: (token: string) => string;
  /** Most members of an organization; 0 = no limit. */
  limit: number;
}

export interface InvitationService {
  /** Throws `forbidden` for a role above the own, `rate_limited`, `already_member`, `resource_limit_reached`. Whether the address has an account shows nowhere. */
  create(scope: CallerScope & { role: Role }, request: CreateInvitation): Promise<Invitation>;
  list(scope: CallerScope): Promise<Invitation[]>;
  revoke(scope: CallerScope, id: Uuid): Promise<void>;
  /** Throws `not_found` for every token that is not one for this user, `email_not_verified`, `resource_limit_reached`. */
  accept(userId: Uuid, token: string): Promise<AcceptedInvitation>;
}

export function createInvitationService({ db, ids, mails, admit, urlOf, limit }: InvitationDeps): InvitationService {
  return {
    async create({ orgId, userId, role: own }, { email, role }) {
      if (!mayGrant(own, role)) throw new PlatformError('forbidden', 'Nobody can give a role above their own.', { field: 'role' });
      if (mails !== null) await admit(email);
      const id = ids.next();
      const token = `${INVITATION_PREFIX}${mails?.secretOf(id) ?? randomBytes(32).toString('hex')}`;
      const orgName = (await findOrganization(db, orgId))?.name ?? '';
      const invitation = { id, orgId, email, role, tokenHash: hashOf(token), invitedBy: userId, lifetimeDays: LIFETIME_DAYS, limit };
      const row = await createInvitation(db, invitation, async (tx) => mails?.send(tx, { invitationId: id, email, orgName }));
      if (row === 'missing') throw new PlatformError('not_found', 'There is no such organization.');
      if (row === 'already_member')
        throw new PlatformError('already_member', 'Somebody with this address is a member.', { field: 'email' });
      if (row === 'limit') throw tooMany(limit);
      return { ...presentInvitation(row), ...(mails === null && { token, url: urlOf(token) }) };
    },
    list: async ({ orgId }) => (await listInvitations(db, orgId)).map(presentInvitation),
    async revoke({ orgId }, id) {
      if (!(await revokeInvitation(db, orgId, id))) throw notFound();
    },
    async accept(userId, token) {
      if (!TOKEN.test(token)) throw notFound();
      const accepted = await acceptInvitation(db, { tokenHash: hashOf(token), userId, limit });
      if (accepted === 'missing') throw notFound();
      if (accepted === 'unverified') throw new PlatformError('email_not_verified', 'Verify the e-mail address of this account first.');
      if (accepted === 'limit') throw tooMany(limit);
      return { org_id: toPublicId('organization', accepted.id), org_name: accepted.name, role: accepted.role };
    },
  };
}

function hashOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

function notFound(): PlatformError {
  return new PlatformError('not_found', 'There is no such invitation.');
}

function tooMany(limit: number): PlatformError {
  return new PlatformError('resource_limit_reached', `An organization can have ${limit} members, invited ones included.`);
}

function presentInvitation(row: InvitationRow): Invitation {
  return present({
    id: toPublicId('invitation', row.id),
    email: row.email,
    role: row.role,
    invited_by: row.invited_by,
    created_at: iso(row.created_at),
    expires_at: iso(row.expires_at),
  }) as Invitation;
}
