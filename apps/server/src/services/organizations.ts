import { PlatformError, toPublicId } from '@everruns/contract';
import type { CurrentUser, Organization, UpdateOrganization, UpdateUser, User, Uuid } from '@everruns/contract';
import { findUser, listMembers, listMemberships, listOrganizations, updateOrganization, updateUser } from '@everruns/storage';
import type { Database, OrganizationFields, OrganizationRow, UserChanges, UserRow } from '@everruns/storage';
import { iso, isoOrNull, present } from './present/fields.ts';
import { requireHarnessReference, requireModel } from './references.ts';
import type { CallerScope } from './scope.ts';

/** Somebody known, in a chosen organization or in none. */
interface KnownUser {
  userId: Uuid;
  orgId: Uuid | null;
}

export interface OrganizationService {
  list(caller: KnownUser): Promise<Organization[]>;
  /** Throws `not_found` for an organization that the caller is no member of. */
  get(caller: KnownUser, orgId: Uuid): Promise<Organization>;
  update(scope: CallerScope, orgId: Uuid, request: UpdateOrganization): Promise<Organization>;
  members(scope: CallerScope, tokens: readonly string[]): Promise<User[]>;
  me(caller: KnownUser): Promise<CurrentUser>;
  updateMe(caller: KnownUser, request: UpdateUser): Promise<{ id: string; email: string; name: string; avatar_url?: string }>;
}

export function createOrganizationService({ db }: { db: Database }): OrganizationService {
  const requireOrganization = async (scope: KnownUser, orgId: Uuid): Promise<OrganizationRow> => {
    const row = (await listOrganizations(db, scope.userId)).find((candidate) => candidate.id === orgId);
    if (row === undefined) throw notFound();
    return row;
  };
  return {
    async list(scope) {
      return (await listOrganizations(db, scope.userId)).map(presentOrganization);
    },
    get: async (scope, orgId) => presentOrganization(await requireOrganization(scope, orgId)),
    async update(scope, orgId, request) {
      await requireOrganization(scope, orgId);
      const row = await updateOrganization(db, orgId, await changesOf(db, orgId, request));
      if (row === null) throw notFound();
      return presentOrganization(row);
    },
    async members(scope, tokens) {
      return (await listMembers(db, scope.orgId, tokens)).map(presentUser);
    },
    async me(scope) {
      const [user, memberships] = await Promise.all([requireUser(db, scope.userId), listMemberships(db, scope.userId)]);
      return present({
        id: user.id,
        email: user.email,
        name: user.name,
        roles: memberships.filter((membership) => membership.org_id === scope.orgId).map(({ role }) => role),
        avatar_url: user.avatar_url,
        email_verified: user.email_verified_at !== null,
        organizations: memberships.map(({ org_id, org_name, role }) => ({
          public_id: toPublicId('organization', org_id),
          name: org_name,
          role,
        })),
      }) as CurrentUser;
    },
    async updateMe(scope, request) {
      const row = await updateUser(db, scope.userId, request as UserChanges);
      if (row === null) throw new PlatformError('not_found', 'There is no such user.');
      return { id: row.id, email: row.email, name: row.name, ...(row.avatar_url === null ? {} : { avatar_url: row.avatar_url }) };
    },
  };
}

async function requireUser(db: Database, userId: Uuid): Promise<UserRow> {
  const user = await findUser(db, userId);
  if (user === null) throw new PlatformError('unauthenticated', 'The user of this credential is not there any more.');
  return user;
}

async function changesOf(db: Database, orgId: Uuid, request: UpdateOrganization): Promise<Partial<OrganizationFields>> {
  const reference = { id: request.default_harness_id, name: request.default_harness_name };
  const harness = await requireHarnessReference(db, orgId, reference);
  if (request.base_harness_id != null) await requireHarnessReference(db, orgId, { id: request.base_harness_id, name: null });
  if (request.default_model_id != null) await requireModel(db, orgId, request.default_model_id, 'default_model_id');
  const { default_harness_name: _name, default_harness_id: _id, ...rest } = request;
  const cleared = request.default_harness_id === null || request.default_harness_name === null;
  return {
    ...(rest as Partial<OrganizationFields>),
    ...(harness !== null ? { default_harness_id: harness.id } : cleared ? { default_harness_id: null } : {}),
  };
}

function presentOrganization(row: OrganizationRow): Organization {
  return present({
    id: toPublicId('organization', row.id),
    name: row.name,
    default_harness_id: row.default_harness_id === null ? null : toPublicId('harness', row.default_harness_id),
    base_harness_id: row.base_harness_id === null ? null : toPublicId('harness', row.base_harness_id),
    default_model_id: row.default_model_id === null ? null : toPublicId('model', row.default_model_id),
    default_provider_per_service: row.default_provider_per_service,
    onboarding_completed_at: isoOrNull(row.onboarding_completed_at),
    created_at: iso(row.created_at),
    updated_at: iso(row.updated_at),
  }) as Organization;
}

function presentUser(row: UserRow & { role: string }): User {
  return present({
    id: row.id,
    email: row.email,
    name: row.name,
    roles: [row.role],
    auth_provider: row.auth_provider,
    avatar_url: row.avatar_url,
    created_at: iso(row.created_at),
  }) as User;
}

function notFound(): PlatformError {
  return new PlatformError('not_found', 'There is no such organization.');
}
