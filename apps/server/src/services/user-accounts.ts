import { ANONYMOUS_USER_ID, fromPublicId, ID_PREFIXES, PlatformError, toPublicId } from '@everruns/contract';
import type { IdKind, ResolvedOrg, UserExport, Uuid } from '@everruns/contract';
import { deleteUser, findUser, listMemberships, organizationOf, personalData, PLACED_KINDS } from '@everruns/storage';
import type { Database, PersonalData, PlacedKind } from '@everruns/storage';
import { iso, present } from './present/fields.ts';

/** What users do with their own account, in whatever organization they are. */
export interface UserAccountService {
  /** The organization that something with this id is in. Throws `not_found` for everything that the caller may not know, `malformed_id`. */
  resolve(caller: AccountCaller, id: string): Promise<ResolvedOrg>;
  /** Throws `not_found` for an organization that the caller is no member of. */
  requireMembership(caller: AccountCaller, orgId: Uuid): Promise<void>;
  export(userId: Uuid, now: Date): Promise<UserExport>;
  /** Throws `last_owner`. The organizations that nobody is left in are closed; the others go on. */
  delete(userId: Uuid): Promise<{ left: Uuid[]; closed: Uuid[] }>;
}

interface AccountCaller {
  userId: Uuid;
  /** Of a token that works in one organization alone. */
  boundOrgId: Uuid | null;
}

export function createUserAccountService({ db }: { db: Database }): UserAccountService {
  return {
    async resolve({ userId, boundOrgId }, publicId) {
      const { kind, id } = placedId(publicId);
      const found = kind === null ? [] : await organizationOf(db, { kind, id, userId });
      const org = found.find((candidate) => boundOrgId === null || candidate.id === boundOrgId);
      if (org === undefined) throw new PlatformError('not_found', 'There is nothing with this id.');
      return { org_id: toPublicId('organization', org.id), org_name: org.name };
    },
    async requireMembership({ userId, boundOrgId }, orgId) {
      const isMember = (await listMemberships(db, userId)).some((membership) => membership.org_id === orgId);
      if (!isMember || (boundOrgId !== null && boundOrgId !== orgId))
        throw new PlatformError('not_found', 'There is no such organization.');
    },
    async export(userId, now) {
      const [user, memberships, data] = await Promise.all([findUser(db, userId), listMemberships(db, userId), personalData(db, userId)]);
      if (user === null) throw new PlatformError('unauthenticated', 'The user of this credential is not there any more.');
      const { id, email, name, auth_provider, avatar_url, locale, timezone } = user;
      return {
        user: present({ id, email, name, auth_provider, avatar_url, locale, timezone, created_at: iso(user.created_at) }),
        organizations: memberships.map(({ org_id, org_name, role }) => ({
          public_id: toPublicId('organization', org_id),
          name: org_name,
          role,
        })),
        ...presentData(data),
        exported_at: iso(now),
      } as UserExport;
    },
    async delete(userId) {
      if (userId === ANONYMOUS_USER_ID) throw new PlatformError('wrong_state', 'This is the user of an installation without accounts.');
      const outcome = await deleteUser(db, userId);
      if (outcome.kind === 'missing') throw new PlatformError('unauthenticated', 'The user of this credential is not there any more.');
      if (outcome.kind === 'last_owner') {
        const text = `"${outcome.name}" (${toPublicId('organization', outcome.orgId)}) has other members and no other owner: make somebody an owner first.`;
        throw new PlatformError('last_owner', text);
      }
      return { left: outcome.left, closed: outcome.closed };
    },
  };
}

const KINDS: ReadonlyMap<string, IdKind> = new Map(Object.entries(ID_PREFIXES).map(([kind, prefix]) => [prefix, kind as IdKind]));

/** Null kind: an id that is well formed, of something that is in no organization by itself. */
function placedId(publicId: string): { kind: PlacedKind | null; id: Uuid } {
  const kind = KINDS.get(publicId.slice(0, Math.max(0, publicId.lastIndexOf('_'))));
  const id = kind === undefined ? null : fromPublicId(kind, publicId);
  if (id === null) throw new PlatformError('malformed_id', 'Expected a public id, such as agent_ and 32 hex digits.', { field: 'id' });
  return { kind: PLACED_KINDS.find((placed) => placed === kind) ?? null, id };
}

/** Times come out of the database as text with its own offset. */
const utc = (text: string | null): string | null => (text === null ? null : iso(new Date(text)));

function presentData({ tokens, logins, identities, connections }: PersonalData): Record<string, unknown> {
  const orgOf = (orgId: Uuid | null): string | null => (orgId === null ? null : toPublicId('organization', orgId));
  return {
    personal_access_tokens: tokens.map((token) =>
      present({
        ...token,
        org_id: orgOf(token.org_id),
        expires_at: utc(token.expires_at),
        last_used_at: utc(token.last_used_at),
        created_at: utc(token.created_at),
      }),
    ),
    logins: logins.map((login) => present({ ...login, created_at: utc(login.created_at), expires_at: utc(login.expires_at) })),
    identities: identities.map(({ provider, created_at }) => ({ provider, created_at: utc(created_at) })),
    connections: connections.map((connection) => ({
      ...connection,
      org_id: orgOf(connection.org_id),
      created_at: utc(connection.created_at),
    })),
  };
}
