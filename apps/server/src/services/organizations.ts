import { ANONYMOUS_USER_ID, PlatformError, toPublicId } from '@everruns/contract';
import type { CurrentUser, IdSource, Organization, Permission, UpdateOrganization, UpdateUser, User, Uuid } from '@everruns/contract';
import {
  completeOnboarding,
  createOrganization,
  findUser,
  listMembers,
  listMemberships,
  listOrganizations,
  updateOrganization,
  updateUser,
} from '@everruns/storage';
import type { Database, OrganizationFields, OrganizationRow, UserChanges, UserRow } from '@everruns/storage';
import type { Grade } from './model-resolution.ts';
import { provisionPlan } from './provisioning.ts';
import { iso, isoOrNull, present } from './present/fields.ts';
import { requireHarnessReference, requireModel } from './references.ts';
import type { CallerScope } from './scope.ts';

/** Somebody known, in a chosen organization or in none. */
interface KnownUser {
  userId: Uuid;
  orgId: Uuid | null;
  /** `boundOrgId`: of a token that works in one organization alone. */
  credential: { boundOrgId: Uuid | null };
  isPlatformUser: boolean;
  permissions: ReadonlySet<Permission>;
}

export interface OrganizationDeps {
  db: Database;
  ids: IdSource;
  grade: Grade;
  /** Throws `rate_limited` when a user makes organizations too fast. */
  admit: (userId: Uuid) => Promise<void>;
  /** Most organizations that one user owns; 0 = no limit. */
  limit: number;
}

export interface OrganizationService {
  list(caller: KnownUser): Promise<Organization[]>;
  /** Throws `not_found` for an organization that the caller is no member of. */
  get(caller: KnownUser, orgId: Uuid): Promise<Organization>;
  /** With what every organization starts with; the caller owns it. Throws `forbidden`, `rate_limited`, `resource_limit_reached`. */
  create(caller: KnownUser, name: string): Promise<Organization>;
  completeOnboarding(scope: CallerScope): Promise<Organization>;
  update(scope: CallerScope, orgId: Uuid, request: UpdateOrganization): Promise<Organization>;
  members(scope: CallerScope, tokens: readonly string[]): Promise<User[]>;
  me(caller: KnownUser): Promise<CurrentUser>;
  updateMe(caller: KnownUser, request: UpdateUser): Promise<{ id: string; email: string; name: string; avatar_url?: string }>;
}

export function createOrganizationService({ db, ids, grade, admit, limit }: OrganizationDeps): OrganizationService {
  const requireOrganization = async (scope: Pick<KnownUser, 'userId'>, orgId: Uuid): Promise<OrganizationRow> => {
    const row = (await listOrganizations(db, scope.userId)).find((candidate) => candidate.id === orgId);
    if (row === undefined) throw notFound();
    return row;
  };
  return {
    async list({ userId, credential: { boundOrgId } }) {
      const all = await listOrganizations(db, userId);
      return all.filter(({ id }) => boundOrgId === null || id === boundOrgId).map(presentOrganization);
    },
    async create({ userId, credential }, name) {
      if (credential.boundOrgId !== null) throw new PlatformError('forbidden', 'This token is for one organization.');
      await admit(userId);
      const id = ids.next();
      const row = await createOrganization(db, { id, name, userId, limit, provision: provisionPlan(id, grade) });
      if (row === 'limit') throw new PlatformError('resource_limit_reached', `A user can own ${limit} organizations.`);
      return presentOrganization(row);
    },
    async completeOnboarding({ orgId }) {
      const row = await completeOnboarding(db, orgId);
      if (row === null) throw notFound();
      return presentOrganization(row);
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
      const { boundOrgId } = scope.credential;
      const [user, memberships] = await Promise.all([requireUser(db, scope.userId), listMemberships(db, scope.userId)]);
      return present({
        id: user.id,
        email: user.email,
        name: user.name,
        roles: memberships.filter((membership) => membership.org_id === scope.orgId).map(({ role }) => role),
        avatar_url: user.avatar_url,
        // The anonymous user has no address to prove.
        email_verified: user.id === ANONYMOUS_USER_ID ? null : user.email_verified_at !== null,
        organizations: memberships
          .filter(({ org_id }) => boundOrgId === null || org_id === boundOrgId)
          .map(({ org_id, org_name, role }) => ({
            public_id: toPublicId('organization', org_id),
            name: org_name,
            role,
          })),
        is_platform_user: scope.isPlatformUser,
        permissions: [...scope.permissions],
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
